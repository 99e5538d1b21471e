import { faultOf, TokenRefusedError } from "../../auth/refusal.js";
import type { RevocationList } from "../../auth/revocation/revocation-list.js";
import type { Auth } from "../../rpc/define/access.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { Logger } from "../../runtime/logger.js";
import type { AddressCounters } from "../admission/address-counters.js";
import type { AuthRateLimiter } from "../admission/auth-rate-limiter.js";
import type { UpgradeChecks } from "../admission/upgrade-checks.js";
import type { TokenAuthority } from "../token-authority.js";

export interface BearerPorts {
  readonly authority: Pick<TokenAuthority, "verify">;
  readonly revocations: Pick<RevocationList, "find">;
  readonly addresses: Pick<AddressCounters, "failed">;
  readonly upgradeChecks: Pick<UpgradeChecks, "isBarred">;
  readonly authRate: Pick<AuthRateLimiter, "take">;
  readonly log: Logger;
}

/** Verifies tokens that come by HTTP, or from the application, by the rules of the socket. */
export class BearerTokens {
  readonly #ports: BearerPorts;

  constructor(ports: BearerPorts) {
    this.#ports = ports;
  }

  /**
   * Rejects with {@link TokenRefusedError} and nothing else. `address`: who presents the token; its
   * refused tokens count as those of its sockets do. Undefined: nobody's.
   */
  async verify(token: string, address?: string): Promise<Auth> {
    if (address !== undefined) this.#mustBeAllowed(address);
    try {
      const { authority, revocations } = this.#ports;
      const peer = address === undefined ? "" : prefixOf(address);
      return await verifyToken(token, peer, authority, revocations);
    } catch (thrown) {
      const refusal = refusalOf(thrown);
      const { code, detail } = refusal;
      this.#ports.log.info({ event: "http.auth.fail", detail, address }, "a token was refused");
      // an outage closes no address out, nor does a token that was good until it expired
      if (address !== undefined && (code === "token_invalid" || code === "token_revoked"))
        this.#ports.addresses.failed(address);
      throw refusal;
    }
  }

  #mustBeAllowed(address: string): void {
    const { upgradeChecks, authRate } = this.#ports;
    if (upgradeChecks.isBarred(address))
      throw new TokenRefusedError(
        "rate_limited",
        "too many refused tokens from your address; wait a minute",
        60_000,
      );
    if (!authRate.take(address))
      throw new TokenRefusedError(
        "rate_limited",
        "too many tokens of your address in this second",
        1_000,
      );
  }
}

/** Verifies a token as a session would, its revocation included. */
export async function verifyToken(
  token: string,
  peer: string,
  authority: Pick<TokenAuthority, "verify">,
  revocations: Pick<RevocationList, "find">,
): Promise<Auth> {
  const verified = await authority.verify(token, peer);
  if (revocations.find(verified) === undefined) return verified;
  throw new TokenRefusedError("token_revoked", "the token, its session or its subject was revoked");
}

/** A failure that is no verdict on the token, such as a store that is away, is temporary. */
export function refusalOf(thrown: unknown): TokenRefusedError {
  try {
    if (thrown instanceof TokenRefusedError) return thrown;
  } catch {
    // it refuses to be looked at
  }
  return new TokenRefusedError("auth_unavailable", faultOf(thrown, true).detail, 1_000);
}
