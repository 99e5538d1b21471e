import type { Auth } from "../rpc/access.js";
import type { Logger } from "../rpc/logger.js";
import type { AddressBook } from "./address-book.js";
import type { Revocations } from "./revocations.js";
import type { TokenAuthority } from "./token-authority.js";

export interface BearerPorts {
  readonly authority: TokenAuthority;
  readonly revocations: Revocations;
  readonly addresses: AddressBook;
  readonly log: Logger;
}

/** Judges the token of an HTTP request, by the rules of the socket. Null: it is refused. */
export async function judgeBearer(token: string, address: string, ports: BearerPorts): Promise<Auth | null> {
  try {
    const verified = await ports.authority.verify(token);
    if (ports.revocations.list.find(verified) === undefined) return verified;
  } catch (error) {
    const detail = error instanceof Error ? error.message : undefined;
    ports.log.info({ event: "http.auth.fail", detail, address }, "a token was refused");
  }
  ports.addresses.failed(address);
  return null;
}
