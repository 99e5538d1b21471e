import { randomBytes } from "node:crypto";
import { sameDigest } from "../../store/refresh-token-rotation.js";
import type { FamilyRecord, RotationOutcome, StoreRecords, UserRecord } from "../../store/store.js";
import { firstPartyClient } from "../accounts/client-directory.js";
import { haveSameCredentials, issuedAtUnder } from "../accounts/credential-version.js";
import { intersection, isWithin } from "../accounts/scope-rules.js";
import { hashOf } from "../digest.js";
import type { IssuerSettings } from "../issuer-options.js";
import type { MasterKey } from "../master-key.js";
import type { AccessTokens } from "./access-token.js";
import type { PresentedToken } from "./refresh-token.js";
import { UnansweredRefreshes } from "./unanswered-refreshes.js";

/** An access token, with what it grants. */
export interface AccessPart {
  readonly token: string;
  readonly expiresIn: number;
  readonly scopes: readonly string[];
}

/** One use of a refresh token. */
export interface Use {
  readonly presented: PresentedToken;
  readonly clientId: string;
  /** The address, as the store may know it. */
  readonly by: string | undefined;
  readonly address: string | undefined;
}

/** What became of a use, and the token that came of it. */
export interface Rotated {
  readonly successor: string;
  readonly result: RotationOutcome;
}

/**
 * The families of refresh tokens, one for each login: begins them, rotates their tokens, and makes
 * the access tokens that they grant.
 */
export class Families {
  /** Refreshes whose answer the store has kept from us. */
  readonly unanswered = new UnansweredRefreshes();
  readonly #settings: IssuerSettings;
  readonly #accessTokens: AccessTokens;
  readonly #masterKey: MasterKey;

  constructor(settings: IssuerSettings, accessTokens: AccessTokens, masterKey: MasterKey) {
    this.#settings = settings;
    this.#accessTokens = accessTokens;
    this.#masterKey = masterKey;
  }

  /** What a refresh token says of itself; undefined: none of ours. */
  async parse(store: StoreRecords, refreshToken: string): Promise<PresentedToken | undefined> {
    return (await this.#masterKey.refreshTokens(store.secrets)).parse(refreshToken);
  }

  /** The family of a refresh token of any generation; undefined: unknown, or ended. */
  async of(store: StoreRecords, presented: PresentedToken): Promise<FamilyRecord | undefined> {
    return store.families.get(presented.familyId, this.now());
  }

  /** Seconds since 1970. */
  now(): number {
    return this.#settings.clock.now() / 1_000;
  }

  /** Begins the family of a login. */
  async begin(
    store: StoreRecords,
    user: UserRecord,
  ): Promise<{ family: FamilyRecord; refreshToken: string }> {
    const { refreshTtl, refreshIdleTtl } = this.#settings;
    const id = randomBytes(16).toString("base64url");
    const refreshToken = (await this.#masterKey.refreshTokens(store.secrets)).derive(id, 1);
    const now = this.now();
    const family: FamilyRecord = {
      id,
      subject: user.username,
      clientId: firstPartyClient,
      scopes: user.scopes,
      credentialVersion: user.credentialVersion,
      generation: 1,
      currentHash: hashOf(refreshToken),
      previousHash: "",
      createdAt: now,
      rotatedAt: now,
      endsAt: now + refreshTtl / 1_000,
      idleUntil: now + refreshIdleTtl / 1_000,
      revoked: false,
    };
    await store.families.add(family, this.#settings.sessionsPerSubject);
    return { family, refreshToken };
  }

  async rotate(store: StoreRecords, { presented, clientId, by }: Use): Promise<Rotated> {
    const { reuseWindow, refreshIdleTtl } = this.#settings;
    const { familyId, hash: presentedHash } = presented;
    const generation = presented.generation + 1;
    const successor = (await this.#masterKey.refreshTokens(store.secrets)).derive(
      familyId,
      generation,
    );
    const now = this.now();
    const result = await store.families.rotate({
      ...{ familyId, clientId, presentedHash, generation, nextHash: hashOf(successor), now },
      reuseWindow:
        reuseWindow > 0 ? reuseWindow / 1_000 + this.unanswered.waitOf(presentedHash, now) : 0,
      idleTtl: refreshIdleTtl / 1_000,
      ...(by === undefined ? {} : { by }),
    });
    return { successor, result };
  }

  /**
   * Whether a client of the family may ask for these scopes: what the login had, which may have
   * been taken away since, and what `users.update` has given.
   */
  async mayAsk(
    store: StoreRecords,
    family: FamilyRecord,
    scopes: readonly string[],
  ): Promise<boolean> {
    if (isWithin(scopes, family.scopes)) return true;
    const user = await store.users.get(family.subject);
    return user !== undefined && isWithin(scopes, [...family.scopes, ...scopesNow(family, user)]);
  }

  /**
   * Undefined: the user is gone, disabled, or has other credentials by now. The time is taken
   * before the user is read: whoever ends the user's sessions after that read revokes a token of
   * that time too.
   */
  async accessPart(
    store: StoreRecords,
    family: FamilyRecord,
    asked?: readonly string[],
  ): Promise<AccessPart | undefined> {
    const { clock, accessTokenTtl } = this.#settings;
    const now = clock.now();
    const user = await store.users.get(family.subject);
    if (
      user === undefined ||
      user.disabled ||
      !haveSameCredentials(user.credentialVersion, family.credentialVersion)
    )
      return undefined;
    const granted = scopesNow(family, user);
    const scopes = asked === undefined ? granted : intersection(granted, asked);
    const expiresAt = Math.floor(Math.min((now + accessTokenTtl) / 1_000, family.endsAt));
    const token = await this.#accessTokens.sign(
      {
        ...{
          subject: family.subject,
          clientId: family.clientId,
          scopes,
          claims: user.claims,
          expiresAt,
          sessionId: family.id,
        },
        issuedAt: issuedAtUnder(user.credentialVersion, now),
        authenticatedAt: Math.floor(family.createdAt),
      },
      store.secrets,
    );
    return { token, expiresIn: (expiresAt - Math.floor(now / 1_000)) * 1_000, scopes };
  }
}

/** Whether the token is the newest of its family, or the one before it. */
export function isRecent(family: FamilyRecord, { hash }: PresentedToken): boolean {
  return [family.currentHash, family.previousHash].some((known) => sameDigest(known, hash));
}

/**
 * What a login grants by now: a family loses what its user lost, and gains nothing, unless
 * `users.update` has changed the user since, which is meant to reach the logins that there are.
 */
function scopesNow(family: FamilyRecord, user: UserRecord): readonly string[] {
  const isUpdated = user.credentialVersion !== family.credentialVersion;
  return isUpdated ? user.scopes : intersection(family.scopes, user.scopes);
}
