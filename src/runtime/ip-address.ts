import { BlockList, isIPv6 } from "node:net";

/** The last 32 bits of an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), dotted or as two groups. */
const mapped = /^(?:0*:){2,5}ffff:(?:(\d+\.\d+\.\d+\.\d+)|([\da-f]{1,4}):([\da-f]{1,4}))$/i;

/**
 * Returns the part of an address that one peer cannot choose at will: the IPv4 address, or the /64
 * of an IPv6 address.
 */
export function prefixOf(address: string): string {
  if (!address.includes(":")) return address;
  const ipv4 = mappedIPv4(address);
  if (ipv4 !== undefined) return ipv4;
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(8 - left.length - right.length, 0)).fill("0");
  return `${[...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

/** Returns the IPv4 address that an IPv6 address stands for; undefined: none. */
export function mappedIPv4(address: string): string | undefined {
  const [, dotted, high, low] = mapped.exec(address) ?? [];
  if (high === undefined || low === undefined) return dotted;
  return dottedOf(Number.parseInt(high, 16), Number.parseInt(low, 16));
}

function dottedOf(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/**
 * Addresses that are not on the public internet (IANA special-purpose registries, RFC 6890), and
 * those that wrap an IPv4 address.
 */
const specialIPv4 = new BlockList();
const specialIPv6 = new BlockList(); // apart, since a list takes ::/3 for all of IPv4

for (const [network, prefix] of [
  ["0.0.0.0", 8], // this host
  ["10.0.0.0", 8],
  ["100.64.0.0", 10], // carrier-grade NAT
  ["127.0.0.0", 8],
  ["169.254.0.0", 16], // link-local, cloud metadata
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3], // multicast, reserved, broadcast
] as const) {
  specialIPv4.addSubnet(network, prefix, "ipv4");
}

for (const [network, prefix] of [
  ["::", 3], // unspecified, loopback, IPv4-mapped and -compatible, NAT64, discard
  ["2001::", 23], // Teredo and other protocol assignments
  ["2001:db8::", 32],
  ["2002::", 16], // 6to4
  ["4000::", 2],
  ["8000::", 1], // unique local, link-local, multicast
] as const) {
  specialIPv6.addSubnet(network, prefix, "ipv6");
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Is this IP address private, loopback, link-local, or otherwise not public? */
export function isPrivateAddress(address: string): boolean {
  return isIPv6(address)
    ? specialIPv6.check(withoutZone(address), "ipv6")
    : specialIPv4.check(address, "ipv4");
}

export function isLoopbackAddress(address: string): boolean {
  return loopback.check(withoutZone(address), isIPv6(address) ? "ipv6" : "ipv4");
}

/**
 * A link-local address may name its interface, which a BlockList doesn't read: fe80::1%eth0 (RFC
 * 4007 §11).
 */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}

/**
 * Is this host, as a URL or a listener names it, this machine: a loopback address or `localhost`? A
 * URL has written 127.1 and 0x7f.1 out.
 */
export function isLoopback(host: string): boolean {
  return (
    host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host)
  );
}
