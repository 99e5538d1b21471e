import { expect } from "chai";
import { decideRotation } from "../../../src/store/refresh-token-rotation.js";
import type { FamilyRecord, Rotation } from "../../../src/store/store.js";

const family: FamilyRecord = {
  id: "f",
  subject: "ada",
  clientId: "jotwire",
  scopes: [],
  credentialVersion: "1",
  generation: 2,
  currentHash: "hash-2",
  previousHash: "hash-1",
  createdAt: 0,
  rotatedAt: 100,
  endsAt: 1_000,
  idleUntil: 300,
  revoked: false,
};

const use: Rotation = {
  familyId: "f",
  clientId: "jotwire",
  presentedHash: "hash-2",
  generation: 3,
  nextHash: "hash-3",
  now: 105,
  reuseWindow: 10,
  idleTtl: 200,
};

describe("the decision about a use of a refresh token", () => {
  it("consumes the current token and puts its successor in force", () => {
    const { result, write } = decideRotation(family, use);
    expect(result.outcome).to.equal("rotated");
    expect(write).to.include({
      generation: 3,
      currentHash: "hash-3",
      previousHash: "hash-2",
      rotatedAt: 105,
      idleUntil: 305,
      endsAt: 1_000,
    });
  });

  it("never lets idle life go beyond the family's end", () => {
    const { write } = decideRotation({ ...family, idleUntil: 1_000 }, { ...use, now: 900 });
    expect(write?.idleUntil).to.equal(1_000);
  });

  it("repeats the same successor for the token before, inside the window, and writes nothing", () => {
    expect(decideRotation(family, { ...use, presentedHash: "hash-1", now: 109.9 })).to.deep.equal({
      result: { outcome: "repeated", family },
    });
  });

  it("revokes the family when the token before comes at the end of the window, or later", () => {
    const { result, write } = decideRotation(family, { ...use, presentedHash: "hash-1", now: 110 });
    expect(result.outcome).to.equal("reused");
    expect(write?.revoked).to.equal(true);
  });

  it("has no window when it is 0", () => {
    for (const now of [99, 100]) {
      // at 99: a clock that was set back
      const beforehand = { ...use, presentedHash: "hash-1", now };
      expect(decideRotation(family, { ...beforehand, reuseWindow: 0 }).result.outcome).to.equal(
        "reused",
      );
      expect(decideRotation(family, { ...beforehand, reuseWindow: 1 }).result.outcome).to.equal(
        "repeated",
      );
    }
  });

  it("revokes the family for any older token, inside the window too", () => {
    expect(decideRotation(family, { ...use, presentedHash: "hash-0" }).result.outcome).to.equal(
      "reused",
    );
  });

  it("never takes the empty previous hash of the first generation for a token", () => {
    const first = { ...family, generation: 1, previousHash: "" };
    expect(decideRotation(first, { ...use, presentedHash: "", now: 101 }).result.outcome).to.equal(
      "reused",
    );
  });

  it("tells of a family that was revoked before, whatever token of it comes, and writes nothing", () => {
    const revoked = { ...family, revoked: true };
    for (const presentedHash of [use.presentedHash, "hash-0"]) {
      expect(decideRotation(revoked, { ...use, presentedHash })).to.deep.equal({
        result: { outcome: "revoked", family: revoked },
      });
    }
  });

  for (const [what, record, change] of [
    ["an absent family", undefined, {}],
    ["another client", family, { clientId: "other" }],
    ["another client with an old token", family, { clientId: "other", presentedHash: "hash-0" }],
    [
      "an ended family that was revoked",
      { ...family, revoked: true, idleUntil: 1_000 },
      { now: 1_000 },
    ],
    ["an idle family", family, { now: 300 }],
    ["an ended family", { ...family, idleUntil: 1_000 }, { now: 1_000 }],
    [
      "an ended family whose idle life would go on",
      { ...family, idleUntil: 1_001 },
      { now: 1_000 },
    ],
  ] as const) {
    it(`answers unknown to ${what}, and writes nothing`, () => {
      expect(decideRotation(record, { ...use, ...change })).to.deep.equal({
        result: { outcome: "unknown" },
      });
    });
  }
});
