import type { IncomingMessage } from "node:http";
import { expect } from "chai";
import { AddressCounters } from "../../../src/server/admission/address-counters.js";
import { clientAddress, trustedProxies } from "../../../src/server/admission/client-address.js";
import { MemoryRates } from "../../../src/store/memory/memory-rates.js";
import { ManualClock } from "../../helpers/manual-clock.js";

function requestFrom(remoteAddress: string, forwarded?: string): IncomingMessage {
  return {
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded },
  } as unknown as IncomingMessage;
}

describe("the client's address", () => {
  it("is the peer's when no proxy is trusted, whatever the header says", () => {
    expect(clientAddress(requestFrom("203.0.113.9", "198.51.100.1"), trustedProxies([]))).to.equal(
      "203.0.113.9",
    );
  });

  it("is the right-most one that is no trusted proxy", () => {
    const trusted = trustedProxies(["10.0.0.0/8", "loopback"]);
    expect(
      clientAddress(requestFrom("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3"), trusted),
    ).to.equal("198.51.100.1");
    expect(clientAddress(requestFrom("203.0.113.9", "6.6.6.6"), trusted)).to.equal("203.0.113.9");
  });

  it("stays the proxy's when the header holds no address, which is told", () => {
    const told: string[] = [];
    const of = (header?: string) =>
      clientAddress(requestFrom("127.0.0.1", header), trustedProxies(["loopback"]), (hop) =>
        told.push(hop),
      );
    expect([of("unknown"), of("_hidden"), of("")]).to.deep.equal(Array(3).fill("127.0.0.1"));
    expect(told).to.deep.equal(["unknown", "_hidden", ""]);
    expect(of()).to.equal("127.0.0.1");
    expect(told).to.have.length(3);
  });

  it("may be written with a port, in brackets, or as IPv6 that stands for IPv4", () => {
    const trusted = trustedProxies(["loopback"]);
    for (const [hop, address] of [
      ["198.51.100.1:4711", "198.51.100.1"],
      ["[2001:db8::1]:4711", "2001:db8::1"],
      ["[2001:db8::1]", "2001:db8::1"],
      ["2001:db8::1", "2001:db8::1"],
      ["::ffff:198.51.100.1", "198.51.100.1"],
      ["::ffff:c633:6401", "198.51.100.1"],
      ["[::ffff:c633:6401]:443", "198.51.100.1"],
    ] as const)
      expect(clientAddress(requestFrom("::ffff:7f00:1", hop), trusted), hop).to.equal(address);
    for (const hop of ["198.51.100.1:", "[2001:db8::1", "198.51.100.1:1:2", "2001:db8::1]:1"])
      expect(clientAddress(requestFrom("127.0.0.1", hop), trusted), hop).to.equal("127.0.0.1");
  });

  it("is read from Forwarded (RFC 7239) where there is no X-Forwarded-For", () => {
    const trusted = trustedProxies(["loopback", "10.0.0.0/8"]);
    const of = (forwarded: string, more: object = {}) =>
      clientAddress(
        {
          socket: { remoteAddress: "127.0.0.1" },
          headers: { forwarded, ...more },
        } as unknown as IncomingMessage,
        trusted,
      );
    expect(of("for=6.6.6.6, for=198.51.100.1;proto=https;by=10.0.0.1, for=10.1.2.3")).to.equal(
      "198.51.100.1",
    );
    expect(of('proto=https;For="[2001:db8::1]:4711"')).to.equal("2001:db8::1");
    expect(of("for=unknown")).to.equal("127.0.0.1");
    expect(of("for=6.6.6.6", { "x-forwarded-for": "198.51.100.1" })).to.equal("198.51.100.1");
  });

  it("comes through a Unix domain socket when `unix` is trusted", () => {
    const request = {
      socket: {},
      headers: { "x-forwarded-for": "198.51.100.1" },
    } as unknown as IncomingMessage;
    expect(clientAddress(request, trustedProxies(["unix"]))).to.equal("198.51.100.1");
    expect(clientAddress(request, trustedProxies(["loopback"]))).to.equal("unix");
  });

  it("is IPv4 also where it came over an IPv6 socket", () => {
    expect(clientAddress(requestFrom("::ffff:192.0.2.7"), trustedProxies([]))).to.equal(
      "192.0.2.7",
    );
  });

  for (const entry of ["proxy.example.com", "10.0.0.0/33", "10.0.0.0/x", ""]) {
    it(`can't come through "${entry}", which is no proxy's address`, () => {
      expect(() => trustedProxies([entry])).to.throw(TypeError, "trustProxy");
    });
  }
});

describe("the address book", () => {
  it("counts failures for a minute, then begins anew", () => {
    const clock = new ManualClock();
    const book = new AddressCounters(clock);
    book.failed("192.0.2.1");
    book.failed("192.0.2.1");
    clock.advance(59_999);
    expect(book.failuresOf("192.0.2.1")).to.equal(2);
    expect(book.failuresOf("192.0.2.2")).to.equal(0);
    clock.advance(1);
    expect(book.failuresOf("192.0.2.1")).to.equal(0);
    book.failed("192.0.2.1");
    clock.advance(59_999);
    expect(book.failuresOf("192.0.2.1")).to.equal(1);
    clock.advance(1);
    expect(book.failuresOf("192.0.2.1")).to.equal(0);
  });

  it("forgets an address of which nothing is left to know: when its last connection leaves, else in a sweep", () => {
    const clock = new ManualClock();
    const book = new AddressCounters(clock);
    book.opened("192.0.2.1");
    book.opened("192.0.2.1");
    book.failed("192.0.2.2");
    book.left("192.0.2.1");
    book.sweep();
    expect(book.size).to.equal(2);
    book.left("192.0.2.1");
    expect(book.size).to.equal(1);
    clock.advance(60_000);
    expect(book.size).to.equal(1);
    book.sweep();
    expect(book.size).to.equal(0);
  });

  it("learns from what is shared what the other nodes have counted, and forgets it when its minute is over", async () => {
    const clock = new ManualClock();
    const shared = new MemoryRates();
    const [one, other] = [new AddressCounters(clock, shared), new AddressCounters(clock, shared)];
    one.failed("2001:db8::1");
    one.failed("2001:db8::1");
    clock.advance(30_000);
    other.failed("2001:db8::2");
    expect(other.failuresOf("2001:db8::1")).to.equal(1); // at once: it waits for nobody
    await Promise.resolve();
    expect([one.failuresOf("2001:db8::1"), other.failuresOf("2001:db8::1")]).to.deep.equal([2, 3]);
    clock.advance(29_999);
    other.sweep();
    expect(other.failuresOf("2001:db8::1")).to.equal(3);
    clock.advance(1);
    expect(other.failuresOf("2001:db8::1")).to.equal(1); // its own minute began later
  });

  it("does not forget in a sweep what the other nodes count, though its own minute is over", async () => {
    const clock = new ManualClock();
    const shared = new MemoryRates();
    const book = new AddressCounters(clock, shared);
    await shared.add("failed-token\u0000192.0.2.1", clock.now() / 1_000);
    clock.advance(40_000);
    book.failed("192.0.2.1"); // its own minute begins
    clock.advance(30_000);
    book.failed("192.0.2.1"); // the shared one begins
    await Promise.resolve();
    clock.advance(30_000);
    book.sweep();
    expect(book.failuresOf("192.0.2.1")).to.equal(1);
  });

  it("counts by itself when what is shared fails", async () => {
    const shared = {
      add: () => Promise.reject(new Error("away")),
      giveBack: async () => {},
      get: () => Promise.reject(new Error("away")),
    };
    const book = new AddressCounters(new ManualClock(), shared);
    book.failed("192.0.2.1");
    await Promise.resolve();
    expect(book.failuresOf("192.0.2.1")).to.equal(1);
  });

  it("knows the failures of no more than 65,536 prefixes, those that failed last, and every connection", () => {
    const book = new AddressCounters(new ManualClock());
    book.opened("2001:db8::1");
    for (let n = 0; n < 100_000; n++)
      book.failed(`2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`);
    expect(book.size).to.be.within(64_000, 65_537);
    expect(
      book.failuresOf(
        `2001:db8:${(99_999 >> 16).toString(16)}:${(99_999 & 0xffff).toString(16)}::1`,
      ),
    ).to.equal(1);
    expect([book.openOf("2001:db8::1"), book.failuresOf("2001:db8::1")]).to.deep.equal([1, 0]);
  });

  it("counts those who have not authenticated until they leave", () => {
    const book = new AddressCounters(new ManualClock());
    book.opened("192.0.2.1");
    book.opened("192.0.2.1");
    book.opened("192.0.2.2");
    expect([book.open, book.openOf("192.0.2.1")]).to.deep.equal([3, 2]);
    book.left("192.0.2.1");
    expect([book.open, book.openOf("192.0.2.1")]).to.deep.equal([2, 1]);
  });
});
