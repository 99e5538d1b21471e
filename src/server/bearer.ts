import { faultOf } from "../auth/auth-fault.js";
import { errorOf } from "../protocol/error-codes.js";
import type { Auth } from "../rpc/access.js";
import type { Logger } from "../rpc/logger.js";
import type { AddressBook } from "./address-book.js";
import type { Revocations } from "./revocations.js";
import type { TokenAuthority } from "./token-authority.js";

export interface BearerPorts {
  readonly authority: Pick<TokenAuthority, "verify">;
  readonly revocations: Pick<Revocations, "list">;
  readonly addresses: Pick<AddressBook, "failed">;
  readonly log: Logger;
}

const unavailable = errorOf("auth_unavailable").code;

/** Judges the token of an HTTP request, by the rules of the socket. Null: it is refused. */
export async function judgeBearer(token: string, address: string, ports: BearerPorts): Promise<Auth | null> {
  try {
    const verified = await ports.authority.verify(token);
    if (ports.revocations.list.find(verified) === undefined) return verified;
  } catch (thrown) {
    const { error, detail } = faultOf(thrown, true);
    ports.log.info({ event: "http.auth.fail", detail, address }, "a token was refused");
    if (error.code === unavailable) return null; // it was not judged: an outage closes no address out
  }
  ports.addresses.failed(address);
  return null;
}
