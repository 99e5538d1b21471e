import type { Limits } from "../../../src/index.js";
import type { TestKeys } from "../tokens/tokens.js";

/** What a server in a process of its own is told at its start, in `JOTWIRE_CHILD`. */
export interface ChildSettings {
  readonly publicJwk: TestKeys["publicJwk"];
  readonly limits: Partial<Limits>;
  /** Default: none; tokens come from elsewhere. */
  readonly issuer?: ChildIssuer;
}

/** An embedded issuer, with argon2id as in production. */
export interface ChildIssuer {
  readonly store: { readonly folder: string } | { readonly redis: string };
  readonly usernames: readonly string[];
  /** Of all of them. */
  readonly password: string;
  /** Default: the issuer's. */
  readonly tokensPerSubject?: number;
}
