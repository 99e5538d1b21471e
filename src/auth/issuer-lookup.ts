/** Issuers that are not known at start: a function of the application knows them. */

import { ignoreOutcome, withTimeout } from "../runtime/application-code.js";
import { InFlightLimit } from "../runtime/in-flight-limit.js";
import { PeerBudget, type PeerRate } from "../runtime/peer-budget.js";
import { describe } from "../runtime/thrown.js";
import {
  createProvider,
  defaultMaxTokenLength,
  type Provider,
  type VerifierPorts,
} from "./keys/provider.js";
import { lookedUpTimes } from "./keys/refreshing-keys.js";
import type { ProviderOptions } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { shown } from "./shown.js";
import { isObject } from "./token/strict-json.js";

/**
 * Returns the options of an issuer that the list does not have, or `null` if its tokens are not
 * accepted. Anybody can make up an `iss`: decide by a list of your own, never by what is found
 * behind it. `signal` aborts after 5 s, when the answer counts as failed.
 */
export type IssuerLookup = (
  issuer: string,
  context: { readonly signal: AbortSignal },
) => ProviderOptions | null | Promise<ProviderOptions | null>;

/** What the function said of one issuer last. */
export interface LookedUpIssuer {
  /** Null: its tokens are not accepted; undefined: the function has not said yet. */
  readonly provider: Provider | null | undefined;
  /** The options that the provider was made of. */
  readonly options: ProviderOptions | undefined;
  /** When the function said so, monotonic, milliseconds. */
  readonly at: number;
  /** Failures since, in a row. */
  readonly failures: number;
  readonly failure: string;
  /** No earlier than this is the function asked again after a failure, monotonic. */
  readonly mayAskAt: number;
}

export type AcceptedIssuer = LookedUpIssuer & { readonly provider: Provider };

export interface LookupPorts extends VerifierPorts {
  /**
   * Longest token that a frame can bring, characters.
   * @default 16_384
   */
  readonly maxTokenLength?: number | undefined;
  /** Hears of each failed answer. For the log; must not throw. */
  readonly onLookupFailure?: ((issuer: string, detail: string) => void) | undefined;
}

const timeoutMs = 5_000;
const maxAge = 600_000; // 10 min, as a key set
const maxStale = 3_600_000; // 1 h, while the function fails
const maxAgeOfNo = 30_000; // 30 s: a new tenant waits no longer
const backOff = [1_000, 60_000] as const; // 1 s to 60 s
const maxIssuer = 512; // characters
/** Of issuers with an accepted token, and of all others that were asked for. */
const maxProven = 1_000;
const maxUnproven = 1_000;
const rate: PeerRate = { perPeer: 200, peerBurst: 50, average: 20, burst: 200 };

/**
 * Remembers what the function says of each issuer. Issuers of which a token was accepted have a
 * place of their own, which made-up names cannot take, and ask the function beside the limits that
 * hold for all others.
 */
export class IssuerDirectory {
  readonly #lookup: IssuerLookup;
  readonly #ports: LookupPorts;
  readonly #budget: PeerBudget;
  readonly #inFlight = new InFlightLimit(64, 16);
  /** The one whose token was accepted last is last. */
  readonly #proven = new Map<string, LookedUpIssuer>();
  /** The oldest first. */
  readonly #unproven = new Map<string, LookedUpIssuer>();
  readonly #asking = new Map<string, Promise<LookedUpIssuer>>();

  constructor(lookup: IssuerLookup, ports: LookupPorts) {
    this.#lookup = lookup;
    this.#ports = ports;
    this.#budget = new PeerBudget(rate, ports.clock);
  }

  /** Issuers of which an answer is remembered. */
  get size(): number {
    return this.#proven.size + this.#unproven.size;
  }

  /**
   * Returns what the function says of an issuer, or null if its tokens are not accepted. Rejects
   * with {@link TokenRefusedError} `auth_unavailable` if the function can't say, or must not be
   * asked now.
   */
  async find(issuer: unknown, peer: string): Promise<AcceptedIssuer | null> {
    if (typeof issuer !== "string" || issuer === "" || issuer.length > maxIssuer) return null;
    const known = this.#proven.get(issuer) ?? this.#unproven.get(issuer);
    if (known !== undefined && this.#isFresh(known)) return acceptedOrNull(known);
    const mayAsk = known === undefined || this.#now >= known.mayAskAt;
    if (known !== undefined && known.failures > 0 && this.#isUsable(known)) {
      if (mayAsk) this.#askInBackground(issuer, known, peer);
      return acceptedOrNull(known); // waits for no function that has failed before
    }
    if (!mayAsk) throw this.#unavailable(known);
    const answer = await (this.#asking.get(issuer) ?? this.#ask(issuer, known, peer));
    if (!this.#isFresh(answer) && !this.#isUsable(answer)) throw this.#unavailable(answer);
    return acceptedOrNull(answer);
  }

  /** A token of this issuer was accepted: nobody who makes up names drives the issuer out. */
  prove(issuer: string, found: LookedUpIssuer): void {
    const proven = this.#proven.get(issuer);
    if (proven !== undefined) return keep(this.#proven, issuer, proven, maxProven);
    const known = this.#unproven.get(issuer);
    // the function has said something else since
    if (known !== undefined && known !== found) return;
    this.#unproven.delete(issuer);
    keep(this.#proven, issuer, found, maxProven);
  }

  get #now(): number {
    return this.#ports.clock.monotonic();
  }

  #isFresh({ provider, at, failures }: LookedUpIssuer): boolean {
    if (provider === undefined || failures > 0) return false;
    return this.#now - at <= (provider === null ? maxAgeOfNo : maxAge);
  }

  /** May an answer serve on while the function fails? Only a yes does. */
  #isUsable({ provider, at }: LookedUpIssuer): boolean {
    return Boolean(provider) && this.#now - at <= maxAge + maxStale;
  }

  #askInBackground(issuer: string, known: LookedUpIssuer, peer: string): void {
    if (this.#asking.has(issuer)) return;
    try {
      void this.#ask(issuer, known, peer);
    } catch {
      // too many look-ups: the next token tries again
    }
  }

  /** Throws when peers have caused too many look-ups. The promise never rejects. */
  #ask(issuer: string, known: LookedUpIssuer | undefined, peer: string): Promise<LookedUpIssuer> {
    const leave = this.#proven.has(issuer) ? () => {} : this.#admit(peer);
    const asked = this.#answerFor(issuer, known).finally(() => {
      this.#asking.delete(issuer);
      leave();
    });
    this.#asking.set(issuer, asked);
    return asked;
  }

  #admit(peer: string): () => void {
    const leave = this.#inFlight.enter(peer);
    if (leave === undefined) throw busy(1_000);
    const wait = this.#budget.take(peer);
    if (wait === 0) return leave;
    leave();
    throw busy(wait);
  }

  /** Never rejects. */
  async #answerFor(issuer: string, known: LookedUpIssuer | undefined): Promise<LookedUpIssuer> {
    let answer: LookedUpIssuer;
    try {
      const options = await this.#callLookup(issuer);
      const provider = options === null ? null : this.#read(issuer, options, known);
      const [failures, failure, mayAskAt] = [0, "", 0];
      answer = {
        ...{ provider, at: this.#now, failures, failure, mayAskAt },
        options: options === null ? undefined : { ...options },
      };
    } catch (error) {
      answer = this.#failed(known, describe(error).message);
      this.#ports.onLookupFailure?.(issuer, answer.failure);
    }
    this.#remember(issuer, answer);
    return answer;
  }

  #failed(known: LookedUpIssuer | undefined, failure: string): LookedUpIssuer {
    const failures = known?.failures ?? 0;
    const [first, longest] = backOff;
    return {
      provider: known?.provider ?? undefined,
      options: known?.options,
      at: known?.at ?? this.#now,
      failures: failures + 1,
      failure,
      mayAskAt: this.#now + Math.min(first * 2 ** failures, longest),
    };
  }

  async #callLookup(issuer: string): Promise<ProviderOptions | null> {
    const aborter = new AbortController();
    const work = (async () => this.#lookup(issuer, { signal: aborter.signal }))();
    try {
      return await withTimeout(work, timeoutMs, this.#ports.clock, "the function auth");
    } catch (error) {
      aborter.abort(error);
      throw error;
    }
  }

  /** Throws `TypeError` for options that are not safe, or are another issuer's. */
  #read(issuer: string, options: ProviderOptions, known: LookedUpIssuer | undefined): Provider {
    if (!isObject(options)) {
      ignoreOutcome(options);
      throw new TypeError("the function auth must return the options of an issuer, or null");
    }
    if (options.issuer !== issuer)
      throw new TypeError(
        `the function auth was asked for ${shown(issuer)}, and returned the issuer ${shown(options.issuer)}`,
      );
    if (options.renew !== undefined && typeof options.renew !== "function")
      throw new TypeError("auth.renew must be a function");
    const provider = createProvider(options, this.#ports, lookedUpTimes);
    const { maxTokenLength = defaultMaxTokenLength } = this.#ports;
    if (options.maxTokenLength !== undefined && options.maxTokenLength > maxTokenLength)
      throw new TypeError(
        `auth.maxTokenLength is ${options.maxTokenLength}, and a token before authentication has at most ${maxTokenLength} characters: raise limits.openFrameBytes`,
      );
    const isSame = known?.options !== undefined && haveSameRemoteKeys(known.options, options);
    return isSame && known.provider
      ? // which has them, even if they can't be fetched now
        { ...provider, keys: known.provider.keys }
      : provider;
  }

  #remember(issuer: string, answer: LookedUpIssuer): void {
    if (answer.provider === null) this.#proven.delete(issuer);
    if (this.#proven.has(issuer)) this.#proven.set(issuer, answer);
    else keep(this.#unproven, issuer, answer, maxUnproven);
  }

  #unavailable({ failure, mayAskAt }: LookedUpIssuer): TokenRefusedError {
    return new TokenRefusedError(
      "auth_unavailable",
      `the issuer can't be looked up: ${failure}`,
      Math.max(mayAskAt - this.#now, 0),
    );
  }
}

function acceptedOrNull(found: LookedUpIssuer): AcceptedIssuer | null {
  return found.provider ? (found as AcceptedIssuer) : null;
}

function busy(wait: number): TokenRefusedError {
  return new TokenRefusedError("auth_unavailable", "too many issuers are being looked up", wait);
}

/** Adds an entry as the newest one, and drops the oldest of too many. */
function keep<T>(map: Map<string, T>, name: string, value: T, max: number): void {
  map.delete(name);
  map.set(name, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}

/** Are the keys of both fetched from one place, in one way? */
function haveSameRemoteKeys(a: ProviderOptions, b: ProviderOptions): boolean {
  return (
    [a, b].every(
      ({ jwks, publicKey, secret }) =>
        publicKey === undefined &&
        secret === undefined &&
        (jwks === undefined || typeof jwks === "string" || jwks instanceof URL),
    ) &&
    String(a.jwks) === String(b.jwks) &&
    String(a.algorithms) === String(b.algorithms) &&
    a.allowPrivateHosts === b.allowPrivateHosts &&
    a.fetch === b.fetch
  );
}
