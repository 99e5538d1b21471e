import { BlockList, isIPv6 } from "node:net";

/** Addresses that are not on the public internet (IANA special-purpose registries, RFC 6890), and those that wrap an IPv4 address. */
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
  return isIPv6(address) ? specialIPv6.check(withoutZone(address), "ipv6") : specialIPv4.check(address, "ipv4");
}

export function isLoopbackAddress(address: string): boolean {
  return loopback.check(withoutZone(address), isIPv6(address) ? "ipv6" : "ipv4");
}

/** A link-local address may name its interface, which a BlockList doesn't read: fe80::1%eth0 (RFC 4007 §11). */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}
