/**
 * Tokens that only the application can judge: API keys, opaque tokens, sessions of another kind.
 */

import { hash } from "node:crypto";
import { ignoreOutcome, withTimeout } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";
import { InFlightLimit } from "../runtime/in-flight-limit.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";
import { describe } from "../runtime/thrown.js";
import { defaultMaxTokenLength } from "./keys/provider.js";
import type { Claims, VerifiedToken } from "./provider-options.js";
import { TokenRefusedError } from "./refusal.js";
import { isObject } from "./token/strict-json.js";

/** What `verify` says of a token that it accepts. */
export interface VerifiedSession {
  /** The user or program that the token is for: 1 to 255 characters that no other one has. */
  readonly subject: string;
  /**
   * When the token must be verified again: a `Date`, or milliseconds since 1970. Never `Infinity`.
   */
  readonly expiresAt: Date | number;
  /**
   * The scopes that the token grants.
   * @default none
   */
  readonly scopes?: readonly string[] | undefined;
  /**
   * What handlers and the `claims` schema get as claims; must be JSON.
   * @default none
   */
  readonly claims?: Claims | undefined;
  /**
   * When the token was issued: a `Date`, or milliseconds since 1970. Older tokens lose a refresh.
   */
  readonly issuedAt?: Date | number | undefined;
  /** Id of the token, by which it can be revoked; never the token itself. */
  readonly tokenId?: string | undefined;
  /** Id of the login that the token belongs to, by which it can be revoked. */
  readonly sessionId?: string | undefined;
  /** The client that the token was issued to. A refresh may not change it. */
  readonly clientId?: string | undefined;
  /**
   * The authentication context classes that the login has met, for `stepUp` of methods.
   * @default none
   */
  readonly acrValues?: readonly string[] | undefined;
  /** When the user logged in: a `Date`, or milliseconds since 1970. For `stepUp` of methods. */
  readonly authenticatedAt?: Date | number | undefined;
}

/** How tokens are verified that are no JWTs of a known issuer. */
export interface CustomVerifierOptions {
  /**
   * Returns whose token it is and until when, or `null` if the token is not good. Anything else,
   * an error and a late answer say nothing about the token: the caller is asked to try again.
   * Throw `TokenRefusedError` to refuse with a reason. `signal` aborts after 10 s.
   */
  readonly verify: (
    token: string,
    context: { readonly signal: AbortSignal },
  ) => VerifiedSession | null | Promise<VerifiedSession | null>;
  /**
   * Name of the issuer that sessions, revocations and `auth.issuer` have. With the subject it says
   * who somebody is, so give each `verify` and each issuer another one.
   * @default `"custom"`
   */
  readonly issuer?: string;
  /**
   * Longest token, in characters.
   * @default 16_384
   */
  readonly maxTokenLength?: number;
}

export interface CustomVerifierPorts {
  readonly clock: Clock;
  /** Hears of each failed answer. For the log; must not throw. */
  readonly onVerifyFailure?: ((issuer: string, detail: string) => void) | undefined;
}

const customOptions = { verify: true, issuer: true, maxTokenLength: true } satisfies Record<
  keyof CustomVerifierOptions,
  true
>;

const timeoutMs = 10_000;
const retryMs = 1_000;
const maxText = 255; // characters
const minSecret = 8; // characters; a shorter one is no secret, and part of any text
const earliest = 100_000_000_000; // 1973: a smaller number was meant in seconds
const visible = /^[\x21-\x7e]+$/;
const loneSurrogate = /\p{Surrogate}/u;

/** Asks the application about tokens, and believes nothing but a whole answer. */
export class CustomVerifier {
  readonly issuer: string;
  readonly maxTokenLength: number;
  readonly #verify: CustomVerifierOptions["verify"];
  readonly #ports: CustomVerifierPorts;
  readonly #inFlight = new InFlightLimit(256, 64);

  /** @throws TypeError that says what to change in the options */
  constructor(options: CustomVerifierOptions, ports: CustomVerifierPorts) {
    refuseUnknownOptions("auth", options, customOptions);
    const { verify, issuer = "custom", maxTokenLength = defaultMaxTokenLength } = options;
    if (typeof verify !== "function")
      throw new TypeError("auth.verify must be a function of a token");
    if (typeof issuer !== "string" || issuer === "")
      throw new TypeError("auth.issuer must be a non-empty string: the name of the tokens' issuer");
    if (!Number.isSafeInteger(maxTokenLength) || maxTokenLength < 1)
      throw new TypeError("auth.maxTokenLength must be a whole number from 1 up");
    this.issuer = issuer;
    this.maxTokenLength = maxTokenLength;
    this.#verify = (token, context) => verify.call(options, token, context);
    this.#ports = ports;
  }

  /**
   * Returns null if the application does not know the token. Rejects with
   * {@link TokenRefusedError}: `token_expired`, `auth_unavailable` if there is no answer, or what
   * `verify` threw.
   */
  async verify(token: string, peer: string): Promise<VerifiedToken | null> {
    if (token.length > this.maxTokenLength)
      throw invalid(
        `the token has ${token.length} characters, and auth.maxTokenLength is ${this.maxTokenLength}`,
      );
    if (!visible.test(token)) throw invalid("the token has characters that no token has");
    const leave = this.#inFlight.enter(peer);
    if (leave === undefined)
      throw new TokenRefusedError(
        "auth_unavailable",
        "too many tokens are being verified",
        retryMs,
      );
    try {
      const answer = await this.#ask(token);
      return answer === null ? null : this.#read(token, answer);
    } catch (error) {
      throw this.#refusalOf(error, token);
    } finally {
      leave();
    }
  }

  async #ask(token: string): Promise<VerifiedSession | null> {
    const aborter = new AbortController();
    const work = (async () => this.#verify(token, { signal: aborter.signal }))();
    try {
      return await withTimeout(work, timeoutMs, this.#ports.clock, "verify");
    } catch (error) {
      aborter.abort();
      throw error;
    }
  }

  /** Throws an Error for an answer that is not whole. */
  #read(token: string, answer: VerifiedSession): VerifiedToken {
    if (!isObject(answer)) {
      ignoreOutcome(answer);
      throw new Error("verify must return { subject, expiresAt, … }, or null for a refused token");
    }
    const { subject, claims = {} } = answer;
    if (!isText(subject))
      throw new Error(`verify: subject must be a string of 1 to ${maxText} characters`);
    if (!isObject(claims)) throw new Error("verify: claims must be an object");
    const read = {
      issuer: this.issuer,
      subject,
      scopes: readTexts("scopes", answer.scopes),
      claims: Object.freeze({ ...claims }),
      expiresAt: readTime("expiresAt", answer.expiresAt),
      issuedAt: answer.issuedAt === undefined ? undefined : readTime("issuedAt", answer.issuedAt),
      tokenId: readOptionalText("tokenId", answer.tokenId),
      sessionId: readOptionalText("sessionId", answer.sessionId),
      clientId: readOptionalText("clientId", answer.clientId),
      acrValues: readTexts("acrValues", answer.acrValues),
      authenticatedAt:
        answer.authenticatedAt === undefined
          ? undefined
          : readTime("authenticatedAt", answer.authenticatedAt),
    };
    if (read.tokenId === token)
      throw new Error("verify: tokenId must not be the token itself, since ids are logged");
    if (this.#ports.clock.now() >= read.expiresAt)
      throw new TokenRefusedError("token_expired", "expiresAt is over");
    const said = JSON.stringify([token, read]); // throws for claims that are no JSON
    return Object.freeze({ ...read, fingerprint: hash("sha256", said, "base64url") });
  }

  /** Whatever was thrown, without the token. */
  #refusalOf(thrown: unknown, token: string): TokenRefusedError {
    const { message } = describe(thrown);
    const quotes =
      token.length >= minSecret &&
      [token, encodeURIComponent(token)].some((text) => message.includes(text));
    if (isRefusal(thrown) && !quotes) return thrown;
    const detail = quotes ? "verify failed; its message quotes the token" : message;
    if (isRefusal(thrown)) return new TokenRefusedError(thrown.code, detail, thrown.retryAfter);
    this.#ports.onVerifyFailure?.(this.issuer, detail);
    return new TokenRefusedError(
      "auth_unavailable",
      `the token was not judged: ${detail}`,
      retryMs,
    );
  }
}

function isRefusal(thrown: unknown): thrown is TokenRefusedError {
  try {
    return thrown instanceof TokenRefusedError;
  } catch {
    return false;
  }
}

function readTime(name: string, value: unknown): number {
  const time = value instanceof Date ? value.getTime() : value;
  if (typeof time === "number" && Number.isFinite(time) && time >= earliest) return time;
  const advice =
    name === "expiresAt"
      ? "; for a token that does not expire, say when to verify it again, such as Date.now() + 300_000"
      : "";
  throw new Error(
    `verify: ${name} must be a Date or milliseconds since 1970, not ${String(time)}${advice}`,
  );
}

function readTexts(name: string, texts: unknown = []): readonly string[] {
  if (Array.isArray(texts) && texts.every((text) => typeof text === "string"))
    return Object.freeze([...new Set<string>(texts)]);
  throw new Error(`verify: ${name} must be a list of strings`);
}

function readOptionalText(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (isText(value)) return value;
  throw new Error(`verify: ${name} must be a string of 1 to ${maxText} characters`);
}

function isText(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value !== "" &&
    value.length <= maxText &&
    !loneSurrogate.test(value)
  );
}

function invalid(detail: string): TokenRefusedError {
  return new TokenRefusedError("token_invalid", detail);
}
