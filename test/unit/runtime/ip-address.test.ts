import { expect } from "chai";
import { prefixOf } from "../../../src/runtime/ip-address.js";

describe("the part of an address that counts", () => {
  for (const [address, prefix] of [
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:c000:207", "192.0.2.7"],
    ["0:0:0:0:0:ffff:c000:0207", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:0001:2::", "2001:db8:1:2::/64"],
    ["2001:db8::5", "2001:db8:0:0::/64"],
    ["2001:db8:0:1::ffff:c000:207", "2001:db8:0:1::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["", ""],
    ["unknown", "unknown"],
  ] as const) {
    it(`is ${prefix || "nothing"} of ${address || "nothing"}`, () =>
      expect(prefixOf(address)).to.equal(prefix));
  }

  it("is one for a /64 of IPv6, and another for the next", () => {
    expect(prefixOf("2001:db8:0:1::1")).to.equal(prefixOf("2001:db8:0:1:ffff::2"));
    expect(prefixOf("2001:db8:0:1::1")).to.not.equal(prefixOf("2001:db8:0:2::1"));
    expect(prefixOf("192.0.2.1")).to.not.equal(prefixOf("192.0.2.2"));
  });
});
