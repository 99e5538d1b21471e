import { expect } from "chai";
import { addressPrefix } from "../../../src/issuer/lockout.js";

describe("the part of an address that counts", () => {
  for (const [address, prefix] of [
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8:0001:2::", "2001:db8:1:2"],
    ["2001:db8::5", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["", ""],
  ] as const) {
    it(`is ${prefix || "nothing"} of ${address || "nothing"}`, () => expect(addressPrefix(address)).to.equal(prefix));
  }
});
