import { randomBytes } from "node:crypto";
import type { IssuerCounts } from "../../auth/issuer-port.js";
import type { RenewedTokens } from "../../auth/provider-options.js";
import { sameDigest } from "../../store/refresh-token-rotation.js";
import type {
  FamilyRecord,
  RateCounters,
  RotationOutcome,
  StoreRecords,
  UserRecord,
} from "../../store/store.js";
import { firstPartyClient } from "../accounts/client-directory.js";
import { haveSameCredentials, issuedAtUnder } from "../accounts/credential-version.js";
import { TooManyFailuresError } from "../accounts/failed-logins.js";
import type { HashingQueue } from "../accounts/hashing-queue.js";
import { PasswordLogin } from "../accounts/password-login.js";
import { PasswordRedemption } from "../accounts/password-redemption.js";
import { intersection, isWithin } from "../accounts/scope-rules.js";
import { type Spending, SubjectBudget, TooManyTokensError } from "../accounts/subject-budget.js";
import { hashOf } from "../digest.js";
import type { IssuerSettings } from "../issuer-options.js";
import { MasterKey } from "../master-key.js";
import { passwordProblem } from "../password-hasher.js";
import type { Revoker } from "../revoker.js";
import type { AccessTokens } from "./access-token.js";
import type { PresentedToken } from "./refresh-token.js";
import { UnansweredRefreshes } from "./unanswered-refreshes.js";

const loginTries = 3; // of a login under which all sessions are ended again and again

/** A pair of tokens, with what the access token grants. */
export interface TokenSet extends RenewedTokens {
  /** Milliseconds that the access token lives. */
  readonly expiresIn: number;
  /** The scopes that the access token grants. */
  readonly scopes: readonly string[];
}

/** `refused`: the same to everybody outside; `why` is for the log alone. */
export type GrantOutcome =
  | { readonly outcome: "granted"; readonly tokens: TokenSet }
  | { readonly outcome: "refused"; readonly why: string }
  | { readonly outcome: "scope_refused" }
  | { readonly outcome: "password_refused"; readonly why: string }
  | { readonly outcome: "subject_refused" };

export interface RefreshRequest {
  /** Default: the first-party client. */
  readonly clientId?: string | undefined;
  /**
   * Fewer scopes for this access token.
   * @default all that the user still has
   */
  readonly scopes?: readonly string[] | undefined;
  /**
   * Whose it must be: another subject's token is not consumed.
   * @default anybody's
   */
  readonly subject?: string | undefined;
  /** The caller's; for the log. */
  readonly address?: string | undefined;
}

interface AccessPart {
  readonly token: string;
  readonly expiresIn: number;
  readonly scopes: readonly string[];
}

/** One use of a refresh token. */
interface Use {
  readonly presented: PresentedToken;
  readonly clientId: string;
  /** The address, as the store may know it. */
  readonly by: string | undefined;
  readonly address: string | undefined;
}

interface Rotated {
  readonly successor: string;
  readonly result: RotationOutcome;
}

/**
 * Logins, and the families of refresh tokens that come of them. Whatever it rejects with is the
 * store's failure, `BusyError`, `TooManyFailuresError` or `TooManyTokensError`.
 */
export class Grants {
  readonly #settings: IssuerSettings;
  readonly #accessTokens: AccessTokens;
  readonly #revoker: Revoker;
  readonly #unanswered = new UnansweredRefreshes();
  readonly #masterKey: MasterKey;
  readonly #passwords: PasswordLogin;
  readonly #redemption: PasswordRedemption;
  readonly #budget: SubjectBudget;
  readonly counts = {
    ...{
      logins: 0,
      refusedLogins: 0,
      limitedLogins: 0,
      limitedTokens: 0,
      refreshes: 0,
      refusedRefreshes: 0,
      reuses: 0,
    },
  } satisfies IssuerCounts;

  constructor(
    settings: IssuerSettings,
    queue: HashingQueue,
    accessTokens: AccessTokens,
    revoker: Revoker,
  ) {
    this.#settings = settings;
    this.#accessTokens = accessTokens;
    this.#revoker = revoker;
    this.#masterKey = new MasterKey(settings.clock);
    this.#passwords = new PasswordLogin(settings, queue, this.#masterKey);
    this.#redemption = new PasswordRedemption(settings, queue, this.#masterKey, revoker);
    this.#budget = new SubjectBudget(
      settings.store.rates,
      settings.tokensPerSubject,
      settings.clock,
    );
  }

  login(username: string, password: string, address: string): Promise<GrantOutcome> {
    return this.#counted(this.#login(this.#operation(), username, password, address), address);
  }

  /** Sets the password of whom a token names, and logs that user in. */
  setPassword(token: string, password: string, address: string): Promise<GrantOutcome> {
    return this.#counted(this.#setPassword(this.#operation(), token, password, address), address);
  }

  async refresh(refreshToken: string, request: RefreshRequest = {}): Promise<GrantOutcome> {
    const outcome = await this.#judgeRefresh(this.#operation(), refreshToken, request);
    if (outcome.outcome === "granted") this.counts.refreshes++;
    else this.counts.refusedRefreshes++;
    return outcome;
  }

  async #login(
    store: StoreRecords,
    username: string,
    password: string,
    address: string,
  ): Promise<GrantOutcome> {
    const verdict = await this.#passwords.judge(store, username, password, address);
    if ("why" in verdict) return refused(verdict.why);
    await this.spend("login", verdict.user.username, address, store.rates);
    return this.#begin(store, verdict.user, verdict.user, address);
  }

  async #setPassword(
    store: StoreRecords,
    token: string,
    password: string,
    address: string,
  ): Promise<GrantOutcome> {
    const why = passwordProblem(password);
    if (why !== undefined) return { outcome: "password_refused", why };
    const judged = await this.#redemption.judge(store, token, address);
    if (judged === undefined) return refused("no good token to set a password");
    await this.spend("login", judged.username, address, store.rates); // while the token is good
    const redeemed = await this.#redemption.redeem(judged, token, password, address);
    const user = redeemed && (await this.#sameLogin(store, redeemed));
    return redeemed === undefined || user === undefined
      ? refused("used meanwhile, or ended by another change")
      : this.#begin(store, user, redeemed, address);
  }

  /** Begins the login of a user whose credentials were judged. `first`: the user as it is now. */
  async #begin(
    store: StoreRecords,
    first: UserRecord,
    judged: UserRecord,
    address: string,
  ): Promise<GrantOutcome> {
    let user: UserRecord | undefined = first;
    for (let tries = 1; ; tries++) {
      const { family, refreshToken } = await this.#newFamily(store, user);
      const access = await this.#accessPart(store, family);
      if (access !== undefined) {
        this.#settings.logger.info(
          { event: "login.ok", subject: user.username, sessionId: family.id, address },
          "logged in",
        );
        return { outcome: "granted", tokens: { ...access, refreshToken } };
      }
      user = await this.#sameLogin(store, judged);
      if (user === undefined || tries === loginTries)
        return this.#endFamily(store, family, address);
      await store.families.revoke(family.id);
    }
  }

  /**
   * The user as it is now, if the password that was judged is still good: what ended all sessions
   * while it was judged means those before, and a new login is good at once.
   */
  async #sameLogin(store: StoreRecords, judged: UserRecord): Promise<UserRecord | undefined> {
    const user = await store.users.get(judged.username);
    const isGood = user?.passwordHash === judged.passwordHash && !user.disabled;
    return isGood ? user : undefined;
  }

  async #counted(work: Promise<GrantOutcome>, address: string): Promise<GrantOutcome> {
    const outcome = await work.catch((error: unknown) => {
      if (error instanceof TooManyFailuresError) this.#limited(address);
      throw error;
    });
    if (outcome.outcome === "granted") this.counts.logins++;
    else this.counts.refusedLogins++;
    return outcome;
  }

  #limited(address: string): void {
    this.counts.limitedLogins++;
    this.#settings.logger.info(
      { event: "login.limit", address },
      "a login was refused unseen: too many of its address have failed",
    );
  }

  /**
   * Takes one of what the subject has left. Rejects with `TooManyTokensError` when that is nothing.
   */
  async spend(
    what: Spending,
    subject: string,
    address: string | undefined,
    rates?: RateCounters,
  ): Promise<void> {
    try {
      await this.#budget.spend(what, subject, rates);
    } catch (error) {
      if (!(error instanceof TooManyTokensError)) throw error;
      this.counts.limitedTokens++;
      this.#settings.logger.info(
        { event: "token.limit", what, subject, address },
        "refused: over tokensPerSubject",
      );
      throw error;
    }
  }

  async #judgeRefresh(
    store: StoreRecords,
    refreshToken: string,
    request: RefreshRequest,
  ): Promise<GrantOutcome> {
    const presented = (await this.#masterKey.refreshTokens(store.secrets)).parse(refreshToken);
    if (presented === undefined) return refused("no refresh token of ours");
    const startedAt = this.#now();
    try {
      const outcome = await this.#refresh(store, presented, request);
      this.#unanswered.delete(presented.hash);
      return outcome;
    } catch (error) {
      // that one is not consumed
      if (!(error instanceof TooManyTokensError)) this.#unanswered.add(presented.hash, startedAt);
      throw error;
    }
  }

  async #refresh(
    store: StoreRecords,
    presented: PresentedToken,
    { clientId = firstPartyClient, scopes, subject, address }: RefreshRequest,
  ): Promise<GrantOutcome> {
    const { logger } = this.#settings;
    const found = await store.families.get(presented.familyId, this.#now());
    if (found !== undefined) {
      if (scopes !== undefined && !(await this.#mayAsk(store, found, scopes)))
        return { outcome: "scope_refused" }; // RFC 6749 §6: before anything is consumed
      const isGood = [found.currentHash, found.previousHash].some((known) =>
        sameDigest(known, presented.hash),
      );
      if (isGood && subject !== undefined && found.subject !== subject)
        return { outcome: "subject_refused" };
    }
    const by = await this.#masterKey.originOf(store.secrets, address);
    const { successor, result } = await this.#rotateWithin(store, found, {
      presented,
      clientId,
      by,
      address,
    });
    const about = { sessionId: presented.familyId, outcome: result.outcome, address };
    if (result.outcome === "unknown") {
      logger.info({ event: "refresh.fail", ...about }, "a refresh token was refused");
      return refused("unknown, ended, revoked, or another client's");
    }
    if (result.outcome === "reused") return this.#announceReuse(store, result.family, address);
    if (result.outcome === "revoked") {
      await this.#revoker.session(result.family.id, "session ended", store.revocations);
      return refused("revoked before");
    }
    if (result.outcome === "repeated" && by !== undefined && result.family.rotatedBy !== by) {
      const fields = {
        event: "refresh.repeated",
        subject: result.family.subject,
        sessionId: presented.familyId,
        address,
      };
      logger.warn(
        fields,
        "a refresh token was used again from another address than at first, and got the same successor",
      );
    }
    const access = await this.#accessPart(store, result.family, scopes);
    if (access === undefined) return this.#endFamily(store, result.family, address);
    logger.info({ event: "refresh.ok", subject: result.family.subject, ...about }, "refreshed");
    return { outcome: "granted", tokens: { ...access, refreshToken: successor } };
  }

  /**
   * Ends the family of a refresh token of any generation. Returns whose it was; undefined: unknown,
   * or ended before.
   */
  async revoke(refreshToken: string, address?: string): Promise<string | undefined> {
    const store = this.#operation();
    const presented = (await this.#masterKey.refreshTokens(store.secrets)).parse(refreshToken);
    const family = presented && (await store.families.get(presented.familyId, this.#now()));
    if (family === undefined) return undefined;
    if (!family.revoked) await this.spend("revoke", family.subject, address, store.rates);
    // first: if we die in between, a second call does both again
    await this.#revoker.session(family.id, "logged out", store.revocations);
    return (await store.families.revoke(family.id)) ? family.subject : undefined;
  }

  /** Whose refresh token that is; undefined: one that would give nothing. Consumes nothing. */
  async subjectOf(refreshToken: string): Promise<string | undefined> {
    const store = this.#operation();
    const presented = (await this.#masterKey.refreshTokens(store.secrets)).parse(refreshToken);
    const family = presented && (await store.families.get(presented.familyId, this.#now()));
    if (presented === undefined || family === undefined || family.revoked) return undefined;
    const isGood = [family.currentHash, family.previousHash].some((known) =>
      sameDigest(known, presented.hash),
    );
    const user = isGood ? await store.users.get(family.subject) : undefined;
    return user !== undefined &&
      haveSameCredentials(user.credentialVersion, family.credentialVersion)
      ? user.username
      : undefined;
  }

  /** Revokes an access token. Returns whose it is; undefined: not ours. */
  async revokeAccess(accessToken: string, address?: string): Promise<string | undefined> {
    const token = await this.#accessTokens.identify(accessToken);
    if (token === undefined || !this.#revoker.isLive(token)) return token?.sub;
    await this.spend("revoke", token.sub, address);
    await this.#revoker.token(token, "revoked by its holder");
    return token.sub;
  }

  async #newFamily(
    store: StoreRecords,
    user: UserRecord,
  ): Promise<{ family: FamilyRecord; refreshToken: string }> {
    const { refreshTtl, refreshIdleTtl } = this.#settings;
    const id = randomBytes(16).toString("base64url");
    const refreshToken = (await this.#masterKey.refreshTokens(store.secrets)).derive(id, 1);
    const now = this.#now();
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

  /**
   * Counts what rotates a token, and before it does. Nobody spends another's budget with a token
   * that is old or revoked.
   */
  async #rotateWithin(
    store: StoreRecords,
    found: FamilyRecord | undefined,
    use: Use,
  ): Promise<Rotated> {
    if (found === undefined || found.revoked || !sameDigest(found.currentHash, use.presented.hash))
      return this.#rotate(store, use);
    await this.spend("refresh", found.subject, use.address, store.rates);
    let hasRotated = false;
    try {
      const rotated = await this.#rotate(store, use);
      hasRotated = rotated.result.outcome === "rotated";
      return rotated;
    } finally {
      if (!hasRotated) this.#budget.giveBack("refresh", found.subject);
    }
  }

  async #rotate(store: StoreRecords, { presented, clientId, by }: Use): Promise<Rotated> {
    const { reuseWindow, refreshIdleTtl } = this.#settings;
    const { familyId, hash: presentedHash } = presented;
    const generation = presented.generation + 1;
    const successor = (await this.#masterKey.refreshTokens(store.secrets)).derive(
      familyId,
      generation,
    );
    const now = this.#now();
    const result = await store.families.rotate({
      ...{ familyId, clientId, presentedHash, generation, nextHash: hashOf(successor), now },
      reuseWindow:
        reuseWindow > 0 ? reuseWindow / 1_000 + this.#unanswered.waitOf(presentedHash, now) : 0,
      idleTtl: refreshIdleTtl / 1_000,
      ...(by === undefined ? {} : { by }),
    });
    return { successor, result };
  }

  /**
   * Whether a client of the family may ask for these scopes: what the login had, which may have
   * been taken away since, and what `users.update` has given.
   */
  async #mayAsk(
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
  async #accessPart(
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

  async #announceReuse(
    store: StoreRecords,
    { id, subject }: FamilyRecord,
    address: string | undefined,
  ): Promise<GrantOutcome> {
    this.counts.reuses++;
    await this.#revoker.session(id, "refresh token reused", store.revocations);
    const fields = { event: "refresh.reuse_detected", subject, sessionId: id, address };
    this.#settings.logger.warn(fields, "a used refresh token came again: its session was ended");
    return refused("reused");
  }

  async #endFamily(
    store: StoreRecords,
    family: FamilyRecord,
    address: string | undefined,
  ): Promise<GrantOutcome> {
    await store.families.revoke(family.id);
    this.#settings.logger.info(
      { event: "refresh.fail", subject: family.subject, sessionId: family.id, address },
      "the user may not be logged in any more",
    );
    return refused("the user is gone, disabled, or has a new password");
  }

  /** All that one login or refresh asks of the store has one deadline. */
  #operation(): StoreRecords {
    const { store } = this.#settings;
    return store.operation?.() ?? store;
  }

  #now(): number {
    return this.#settings.clock.now() / 1_000;
  }
}

function refused(why: string): GrantOutcome {
  return { outcome: "refused", why };
}

/**
 * What a login grants by now: a family loses what its user lost, and gains nothing, unless
 * `users.update` has changed the user since, which is meant to reach the logins that there are.
 */
function scopesNow(family: FamilyRecord, user: UserRecord): readonly string[] {
  const isUpdated = user.credentialVersion !== family.credentialVersion;
  return isUpdated ? user.scopes : intersection(family.scopes, user.scopes);
}
