import { expect } from "chai";
import { RateLimitedLog } from "../../../src/runtime/rate-limited-log.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { recordingLogger } from "../../helpers/server/test-server.js";

describe("the log whose lines are counted", () => {
  it("takes 20 lines of one kind from one address, then one in 10 s, which says how many were left out", () => {
    const { log, lines, clock } = openLog();
    const fail = () =>
      log.warn({ event: "login.fail", address: "192.0.2.1" }, "a login was refused");
    for (let n = 0; n < 2_000; n++) fail();
    expect(lines).to.have.length(20);
    expect(lines[19]).to.deep.equal({
      ...{ level: "warn", message: "a login was refused" },
      fields: { event: "login.fail", address: "192.0.2.1" },
    });
    clock.advance(9_999);
    fail();
    expect(lines).to.have.length(20);
    clock.advance(1);
    fail();
    fail();
    expect(lines).to.have.length(21);
    expect(lines[20]?.fields).to.deep.equal({
      event: "login.fail",
      address: "192.0.2.1",
      before: 1_981,
    });
    clock.advance(200_000);
    for (let n = 0; n < 2_000; n++) fail();
    expect(lines).to.have.length(41);
  });

  it("counts an IPv6 /64 as one address, and each address, kind and method by itself", () => {
    const { log, lines } = openLog();
    for (let n = 0; n < 30; n++) {
      log.info({ event: "authenticate.fail", address: `2001:db8::${n}` }, "");
      log.info({ event: "authenticate.fail", address: "192.0.2.1" }, "");
      log.info({ event: "refresh.fail", address: "192.0.2.1" }, "");
      log.error({ event: "call.fail", method: "one", connection: "c" }, "");
      log.error({ event: "call.fail", method: "two", connection: "c" }, "");
    }
    expect(lines).to.have.length(100);
  });

  it("takes 100 lines of a kind from all addresses, then one a second; who floods takes none of another's", () => {
    const { log, lines, clock } = openLog();
    for (let n = 0; n < 500; n++) log.info({ event: "login.limit", address: "192.0.2.1" }, "");
    for (let n = 0; n < 500; n++)
      log.info({ event: "login.limit", address: `198.51.${n >> 8}.${n & 255}` }, "");
    expect(lines).to.have.length(100);
    expect(lines.filter(({ fields }) => fields.address === "192.0.2.1")).to.have.length(20);
    clock.advance(5_000);
    for (let n = 0; n < 500; n++)
      log.info({ event: "login.limit", address: `198.51.${n >> 8}.${n & 255}` }, "");
    expect(lines).to.have.length(105);
    const before = lines.reduce((sum, { fields }) => sum + Number(fields.before ?? 0), 0);
    expect(before, "all that was left out up to the last line").to.equal(500 - 20 + 500 - 80);
  });

  it("takes one line in 10 s for each limit", () => {
    const { log, lines, clock } = openLog();
    const hit = (limit: string) =>
      log.warn({ event: "limit.hit", limit, address: "192.0.2.1", before: 0 }, "");
    for (let n = 0; n < 30; n++)
      for (const limit of ["open", "unauthenticatedConnectionsPerAddress"]) hit(limit);
    clock.advance(10_000);
    hit("open");
    expect(lines.map(({ fields }) => [fields.limit, fields.before])).to.deep.equal([
      ["open", 0],
      ["unauthenticatedConnectionsPerAddress", 0],
      ["open", 29],
    ]);
  });

  it("counts what somebody has succeeded in by whom alone, so that all who share an address are seen", () => {
    const { log, lines } = openLog();
    for (let n = 0; n < 300; n++)
      log.info({ event: "login.ok", subject: `user-${n}`, address: "192.0.2.1" }, "");
    expect(lines).to.have.length(300);
    for (let n = 0; n < 300; n++)
      log.info({ event: "login.ok", subject: "ada", address: `192.0.2.${n}` }, "");
    for (let n = 0; n < 300; n++) log.info({ event: "client.ok", clientId: "robot" }, "");
    expect(lines).to.have.length(340);
  });

  it("takes ten times as much of what only somebody who looks has asked for", () => {
    const { log, lines, clock } = openLog();
    const refuse = () => log.debug({ event: "upgrade.refuse", address: "192.0.2.1" }, "");
    for (let n = 0; n < 500; n++) refuse();
    expect(lines).to.have.length(200);
    clock.advance(1_000);
    refuse();
    refuse();
    expect(lines).to.have.length(201);
  });

  it("keeps no more of addresses than 10,000, whoever comes", () => {
    const { log, clock } = openLog();
    for (let n = 0; n < 30_000; n++) {
      log.info({ event: "login.fail", address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` }, "");
      clock.advance(1_000);
    }
    expect(log.sources).to.equal(10_000);
  }).timeout(10_000);
});

function openLog() {
  const clock = new ManualClock();
  const { logger, lines } = recordingLogger();
  return { clock, lines, log: new RateLimitedLog(logger, clock) };
}
