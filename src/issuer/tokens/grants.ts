import type { IssuerCounts } from "../../auth/issuer-port.js";
import type { RenewedTokens } from "../../auth/provider-options.js";
import { sameDigest } from "../../store/refresh-token-rotation.js";
import type { FamilyRecord, RateCounters, StoreRecords, UserRecord } from "../../store/store.js";
import { firstPartyClient } from "../accounts/client-directory.js";
import { haveSameCredentials } from "../accounts/credential-version.js";
import { TooManyFailuresError } from "../accounts/failed-logins.js";
import type { HashingQueue } from "../accounts/hashing-queue.js";
import { PasswordLogin } from "../accounts/password-login.js";
import { PasswordRedemption } from "../accounts/password-redemption.js";
import { type Spending, SubjectBudget, TooManyTokensError } from "../accounts/subject-budget.js";
import type { IssuerSettings } from "../issuer-options.js";
import { MasterKey } from "../master-key.js";
import { passwordProblem } from "../password-hasher.js";
import type { Revoker } from "../revoker.js";
import type { AccessTokens } from "./access-token.js";
import { Families, isRecent, type Rotated, type Use } from "./families.js";
import type { PresentedToken } from "./refresh-token.js";

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

/**
 * Logins, and the families of refresh tokens that come of them. Whatever it rejects with is the
 * store's failure, `BusyError`, `TooManyFailuresError` or `TooManyTokensError`.
 */
export class Grants {
  readonly #settings: IssuerSettings;
  readonly #accessTokens: AccessTokens;
  readonly #revoker: Revoker;
  readonly #masterKey: MasterKey;
  readonly #families: Families;
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
    this.#families = new Families(settings, accessTokens, this.#masterKey);
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
      const { family, refreshToken } = await this.#families.begin(store, user);
      const access = await this.#families.accessPart(store, family);
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
    const presented = await this.#families.parse(store, refreshToken);
    if (presented === undefined) return refused("no refresh token of ours");
    const startedAt = this.#families.now();
    try {
      const outcome = await this.#refresh(store, presented, request);
      this.#families.unanswered.delete(presented.hash);
      return outcome;
    } catch (error) {
      // that one is not consumed
      if (!(error instanceof TooManyTokensError))
        this.#families.unanswered.add(presented.hash, startedAt);
      throw error;
    }
  }

  async #refresh(
    store: StoreRecords,
    presented: PresentedToken,
    { clientId = firstPartyClient, scopes, subject, address }: RefreshRequest,
  ): Promise<GrantOutcome> {
    const { logger } = this.#settings;
    const found = await this.#families.of(store, presented);
    if (found !== undefined) {
      if (scopes !== undefined && !(await this.#families.mayAsk(store, found, scopes)))
        return { outcome: "scope_refused" }; // RFC 6749 §6: before anything is consumed
      if (subject !== undefined && found.subject !== subject && isRecent(found, presented))
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
    const access = await this.#families.accessPart(store, result.family, scopes);
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
    const presented = await this.#families.parse(store, refreshToken);
    const family = presented && (await this.#families.of(store, presented));
    if (family === undefined) return undefined;
    if (!family.revoked) await this.spend("revoke", family.subject, address, store.rates);
    // first: if we die in between, a second call does both again
    await this.#revoker.session(family.id, "logged out", store.revocations);
    return (await store.families.revoke(family.id)) ? family.subject : undefined;
  }

  /** Whose refresh token that is; undefined: one that would give nothing. Consumes nothing. */
  async subjectOf(refreshToken: string): Promise<string | undefined> {
    const store = this.#operation();
    const presented = await this.#families.parse(store, refreshToken);
    const family = presented && (await this.#families.of(store, presented));
    if (presented === undefined || family === undefined || family.revoked) return undefined;
    const user = isRecent(family, presented) ? await store.users.get(family.subject) : undefined;
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
      return this.#families.rotate(store, use);
    await this.spend("refresh", found.subject, use.address, store.rates);
    let hasRotated = false;
    try {
      const rotated = await this.#families.rotate(store, use);
      hasRotated = rotated.result.outcome === "rotated";
      return rotated;
    } finally {
      if (!hasRotated) this.#budget.giveBack("refresh", found.subject);
    }
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
}

function refused(why: string): GrantOutcome {
  return { outcome: "refused", why };
}
