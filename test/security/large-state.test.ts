import { expect } from "chai";
import { costsOf, fillState } from "../helpers/server/large-state.js";
import { withFolder } from "../helpers/temporary-folder.js";

describe("A state folder with 60,000 refresh families and 60,000 revocations", () => {
  it("costs a start no more than 5 s of CPU time, with a heap of 256 MB, and an idle process next to nothing", async () => {
    await withFolder(async (folder) => {
      await fillState(folder, 60_000);
      const { start, idle, revocations } = await costsOf(folder, 256);
      expect(revocations).to.equal(60_000);
      expect(start, "ms").to.be.below(5_000);
      expect(idle, "ms of CPU time in 50 s").to.be.below(500);
    });
  }).timeout(120_000);
});
