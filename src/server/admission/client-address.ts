import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** Whose `X-Forwarded-For` is believed: addresses or CIDR ranges of the proxies in front. */
export type TrustedProxies = (address: string) => boolean;

/** Throws `TypeError` for an entry that is neither an address, a range nor `loopback`. */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  if (entries.length === 0) return () => false;
  const list = new BlockList();
  for (const entry of entries.flatMap((given) =>
    given === "loopback" ? ["127.0.0.0/8", "::1"] : [given],
  )) {
    const [address = "", bits] = entry.split("/");
    const family = isIP(address);
    const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
    if (
      family === 0 ||
      !Number.isInteger(length) ||
      length < 0 ||
      length > (family === 4 ? 32 : 128)
    ) {
      throw new TypeError(
        `trustProxy: "${entry}" is not an address, a range like 10.0.0.0/8, or "loopback"`,
      );
    }
    list.addSubnet(address, length, family === 4 ? "ipv4" : "ipv6");
  }
  return (given) => {
    const address = plain(given);
    return isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
  };
}

/** The peer's address; behind trusted proxies, the right-most one that is not one of them. */
export function clientAddress(request: IncomingMessage, isTrusted: TrustedProxies): string {
  let address = plain(request.socket.remoteAddress ?? "unknown");
  if (!isTrusted(address)) return address;
  const header = request.headers["x-forwarded-for"];
  const hops = (Array.isArray(header) ? header.join(",") : (header ?? ""))
    .split(",")
    .map((hop) => plain(hop.trim()));
  do {
    const hop = hops.pop();
    if (hop === undefined || isIP(hop) === 0) break;
    address = hop;
  } while (isTrusted(address));
  return address;
}

/** IPv4 as IPv4, also where it came over an IPv6 socket. */
function plain(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
