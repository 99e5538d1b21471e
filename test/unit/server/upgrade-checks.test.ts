import type { IncomingMessage } from "node:http";
import { expect } from "chai";
import { AddressCounters } from "../../../src/server/admission/address-counters.js";
import { OriginList } from "../../../src/server/admission/origin-list.js";
import { hasTooManyHeaders, UpgradeChecks } from "../../../src/server/admission/upgrade-checks.js";
import { resolveLimits } from "../../../src/server/limits.js";
import { ManualClock } from "../../helpers/manual-clock.js";

const address = "192.0.2.1";

function request(url: string, lines = 0): IncomingMessage {
  return {
    url,
    headers: {},
    rawHeaders: Array.from({ length: lines * 2 }, () => "x"),
  } as unknown as IncomingMessage;
}

function guarded(limits = {}) {
  const addresses = new AddressCounters(new ManualClock());
  return {
    addresses,
    guard: new UpgradeChecks(new OriginList(undefined), addresses, resolveLimits(limits)),
  };
}

describe("the guard before the handshake", () => {
  it("takes 64 header lines and no more", () => {
    expect([64, 65].map((lines) => hasTooManyHeaders(request("/rpc", lines)))).to.deep.equal([
      false,
      true,
    ]);
    const { guard } = guarded();
    expect(
      [64, 65].map((lines) => guard.refusal(request("/rpc", lines), address)?.status),
    ).to.deep.equal([undefined, 431]);
  });

  it("takes no token in the URL, and other parameters", () => {
    const { guard } = guarded();
    for (const name of ["token", "access_token", "jwt"]) {
      expect(guard.refusal(request(`/rpc?a=1&${name}=x`), address), name).to.include({
        status: 400,
      });
    }
    expect(guard.refusal(request("/rpc?tokens=1"), address)).to.equal(null);
  });

  it("is full at so many of an address and in all, and has room again when one has left", () => {
    const { addresses, guard } = guarded({
      unauthenticatedConnectionsPerAddress: 2,
      unauthenticatedConnections: 3,
    });
    for (const from of [address, address]) {
      expect(guard.exhausted(address)).to.equal(undefined);
      addresses.opened(from);
    }
    expect(guard.exhausted(address)).to.equal("unauthenticatedConnectionsPerAddress");
    expect(guard.exhausted("192.0.2.2")).to.equal(undefined);
    addresses.opened("192.0.2.2");
    expect(guard.exhausted("192.0.2.2")).to.equal("unauthenticatedConnections");
    addresses.left(address);
    expect(guard.exhausted(address)).to.equal(undefined);
  });

  it("bars an address at so many refused tokens, and no other; with 0 none", () => {
    const { addresses, guard } = guarded({ authFailuresPerAddress: 2 });
    const open = guarded({ authFailuresPerAddress: Number.POSITIVE_INFINITY });
    for (const isBarred of [false, true]) {
      for (const book of [addresses, open.addresses]) book.failed(address);
      expect(guard.isBarred(address)).to.equal(isBarred);
    }
    expect([guard.isBarred("192.0.2.2"), open.guard.isBarred(address)]).to.deep.equal([
      false,
      false,
    ]);
  });
});
