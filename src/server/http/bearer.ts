import { faultOf, isOnlyExpired, TokenRefusedError } from "../../auth/refusal.js";
import type { ErrorData } from "../../protocol/error-codes.js";
import type { Auth } from "../../rpc/define/access.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { Logger } from "../../runtime/logger.js";
import type { AddressCounters } from "../admission/address-counters.js";
import type { Revocations } from "../cluster/revocations.js";
import type { TokenAuthority } from "../token-authority.js";

export interface BearerPorts {
  readonly authority: Pick<TokenAuthority, "verify">;
  readonly revocations: Pick<Revocations, "list">;
  readonly addresses: Pick<AddressCounters, "failed">;
  readonly log: Logger;
}

export interface BearerVerdict {
  /** Null: it is refused, or was not judged. */
  readonly auth: Auth | null;
  /** Seconds until it may be judged; undefined: it was. */
  readonly retryAfter?: number;
}

/** Judges the token of an HTTP request, by the rules of the socket. */
export async function judgeBearer(
  token: string,
  address: string,
  ports: BearerPorts,
): Promise<BearerVerdict> {
  try {
    const verified = await ports.authority.verify(token, prefixOf(address));
    if (ports.revocations.list.find(verified) === undefined) return { auth: verified };
    throw new TokenRefusedError(
      "token_revoked",
      "the token, its session or its subject was revoked",
    );
  } catch (thrown) {
    const { error, detail } = faultOf(thrown, true);
    ports.log.info({ event: "http.auth.fail", detail, address }, "a token was refused");
    const { reason, retryAfter = 1 } = error.data as ErrorData;
    // an outage closes no address out
    if (reason === "auth_unavailable") return { auth: null, retryAfter };
    if (!isOnlyExpired(error)) ports.addresses.failed(address);
    return { auth: null };
  }
}
