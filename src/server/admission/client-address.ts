import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { mappedIPv4 } from "../../runtime/ip-address.js";

/**
 * Whose `X-Forwarded-For` or `Forwarded` is believed: addresses or CIDR ranges of the proxies in
 * front.
 */
export type TrustedProxies = (address: string) => boolean;

/** The peer of a Unix domain socket, which has no address. */
export const unixPeer = "unix";

/** Throws `TypeError` for an entry that is neither an address, a range, `loopback` nor `unix`. */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  if (entries.length === 0) return () => false;
  const list = new BlockList();
  const addresses = entries.filter((entry) => entry !== unixPeer);
  for (const entry of addresses.flatMap((given) =>
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
        `trustProxy: "${entry}" is not an address, a range like 10.0.0.0/8, "loopback" or "unix"`,
      );
    }
    list.addSubnet(address, length, family === 4 ? "ipv4" : "ipv6");
  }
  const trustsUnix = entries.includes(unixPeer);
  return (given) => {
    if (given === unixPeer) return trustsUnix;
    const address = plain(given);
    return isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
  };
}

/**
 * The peer's address; behind trusted proxies, the right-most one that is not one of them.
 * `onUnreadable` hears of a proxy's header that names no address where one was looked for.
 */
export function clientAddress(
  request: IncomingMessage,
  isTrusted: TrustedProxies,
  onUnreadable: (header: string) => void = () => {},
): string {
  let address = plain(request.socket.remoteAddress ?? unixPeer);
  if (!isTrusted(address)) return address;
  const hops = hopsOf(request);
  do {
    const hop = hops.pop();
    if (hop === undefined) break;
    const read = addressIn(hop);
    if (read === undefined) {
      onUnreadable(hop);
      break;
    }
    address = read;
  } while (isTrusted(address));
  return address;
}

/** The hops that proxies have told, the nearest one last. */
function hopsOf({ headers }: IncomingMessage): string[] {
  const header = headers["x-forwarded-for"];
  if (header !== undefined) return [header].flat().join(",").split(",");
  const forwarded = headers.forwarded; // RFC 7239 §4
  return forwarded === undefined
    ? []
    : forwarded
        .split(",")
        .map((element) => /(?:^|;)\s*for=("?)([^";]*)\1/i.exec(element)?.[2] ?? "");
}

/** The address of a hop: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`. */
function addressIn(hop: string): string | undefined {
  const text = hop.trim();
  const [, bracketed] = /^\[([^\]]+)\](?::\w+)?$/.exec(text) ?? [];
  const [, dotted] = /^(\d+\.\d+\.\d+\.\d+):\w+$/.exec(text) ?? [];
  const address = plain(bracketed ?? dotted ?? text);
  return isIP(address) === 0 ? undefined : address;
}

/** IPv4 as IPv4, also where it is written as IPv6. */
function plain(address: string): string {
  return isIP(address) === 6 ? (mappedIPv4(address) ?? address) : address;
}
