/** Whose tokens count: joins the verifier, the application's claims schema and the embedded issuers. */
import { faultOf } from "../auth/auth-fault.js";
import type { Clock } from "../auth/clock.js";
import type { FetchDocument } from "../auth/fetch-document.js";
import type { IssuerPort } from "../auth/issuer-port.js";
import type { Claims, RenewedTokens, VerifiedToken } from "../auth/provider-options.js";
import { Refusal } from "../auth/refusal.js";
import { createVerifier, type Verifier } from "../auth/verifier.js";
import type { StandardSchema } from "../protocol/standard-schema.js";
import { validate } from "../rpc/validate.js";
import type { AuthServices } from "./auth-lane.js";
import type { AuthOption } from "./server-options.js";

export interface AuthorityPorts {
  readonly clock: Clock;
  readonly fetchDocument: FetchDocument;
  /** Hides from callers why a token was refused. */
  readonly production: boolean;
  /** Hears of every failed fetch and every refused key set: the alarm for a set with private keys in it. */
  readonly onKeyFailure: (issuer: string, detail: string) => void;
  /** Resolves while all that was revoked is known, and rejects when it is not: no token is accepted then. */
  readonly whenReady: () => Promise<void>;
}

export class TokenAuthority implements Omit<AuthServices, "telemetry" | "mayJudge"> {
  readonly clock: Clock;
  readonly production: boolean;
  /** All issuers' names: their `iss`. */
  readonly names: readonly string[];
  /** The embedded issuers. */
  readonly issuers: readonly IssuerPort[];
  readonly #verifier: Verifier;
  readonly #renewers = new Map<string, (refreshToken: string, subject: string) => Promise<RenewedTokens>>();
  readonly #claimsSchema: StandardSchema | undefined;
  readonly #whenReady: () => Promise<void>;

  /** Throws `TypeError` when an issuer's options contradict themselves. */
  constructor(options: readonly AuthOption[], claimsSchema: StandardSchema | undefined, ports: AuthorityPorts) {
    this.clock = ports.clock;
    this.production = ports.production;
    this.names = options.map(({ issuer }) => issuer);
    this.issuers = options.filter(isIssuer);
    this.#claimsSchema = claimsSchema;
    this.#whenReady = ports.whenReady;
    this.#verifier = createVerifier(
      options.map((option) => (isIssuer(option) ? option.verification : option)),
      ports,
    );
    for (const option of options) {
      const renew = isIssuer(option) ? (token: string, subject: string) => option.renew(token, subject) : option.renew;
      if (renew !== undefined) this.#renewers.set(option.issuer, renew);
    }
  }

  /** Are there keys of every issuer? Never rejects. */
  isReady(): Promise<boolean> {
    return this.#verifier.isReady();
  }

  async verify(token: string): Promise<VerifiedToken> {
    await this.#whenReady();
    const verified = await this.#verifier.verify(token);
    return this.#claimsSchema === undefined ? verified : withClaims(verified, await checkedClaims(this.#claimsSchema, verified.claims));
  }

  mayRenew(issuer: string): boolean {
    return this.#renewers.has(issuer);
  }

  async renew(issuer: string, refreshToken: string, subject: string): Promise<RenewedTokens> {
    const renew = this.#renewers.get(issuer);
    if (renew === undefined) throw new Refusal("token_invalid", "this issuer's refresh tokens are not rotated here");
    await this.#whenReady(); // before the token is consumed: what comes of it could not be accepted
    return renew(refreshToken, subject);
  }

  mayRevoke(issuer: string): boolean {
    return this.issuers.some((candidate) => candidate.issuer === issuer);
  }

  async revokeRefreshToken(issuer: string, refreshToken: string): Promise<void> {
    await this.issuers.find((candidate) => candidate.issuer === issuer)?.revokeRefreshToken(refreshToken);
  }
}

function isIssuer(option: AuthOption): option is IssuerPort {
  return "verification" in option;
}

/** What the schema makes of the claims. A schema that throws refuses the token, like one that finds issues. */
async function checkedClaims(schema: StandardSchema, claims: Claims): Promise<unknown> {
  const checked = await validateSafely(schema, claims);
  if ("value" in checked) return checked.value;
  const [issue] = checked.issues;
  throw new Refusal(
    "token_invalid",
    `the claims don't fit the application's schema: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
  );
}

async function validateSafely(schema: StandardSchema, claims: Claims): Promise<Awaited<ReturnType<typeof validate>>> {
  try {
    return await validate(schema, claims);
  } catch (error) {
    throw new Refusal("token_invalid", `the application's claims schema threw: ${faultOf(error, true).detail}`);
  }
}

function withClaims(token: VerifiedToken, claims: unknown): VerifiedToken {
  return Object.freeze({ ...token, claims: Object.freeze(claims) as Claims });
}

/** How long a revocation must be remembered; undefined when some issuer's tokens may live for any time. */
export function longestLifetime(providers: readonly AuthOption[]): number | undefined {
  const lifetimes = providers.map((provider) => ("verification" in provider ? provider.verification.maxLifetime : provider.maxLifetime));
  const known = lifetimes.filter((lifetime) => lifetime !== undefined);
  return known.length === lifetimes.length ? Math.max(...known) + 60_000 : undefined;
}
