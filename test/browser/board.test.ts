import { expect } from "chai";
import { type BoardPage, BoardVisit, buildBoardPage } from "../helpers/browser/board-visit.js";
import { needsChromium } from "../helpers/browser/browser.js";
import { eventually } from "../helpers/eventually.js";

const downMs = 2_000;
const countOf = (frames: readonly string[], text: string) =>
  frames.filter((frame) => frame.includes(text)).length;

describe("The shared board in two browsers", function () {
  this.timeout(180_000);

  before(async function () {
    needsChromium(this);
    await buildBoardPage();
  });

  it("shows in each what the other adds and moves, and keeps the login over a reload", async () => {
    await using visit = await BoardVisit.open();
    const [ada, bob] = await Promise.all([visit.logIn("ada"), visit.logIn("bob")]);
    await ada.add("Write the letter");
    await bob.mover("Write the letter", "todo").selectOption("doing");
    await ada.mover("Write the letter", "doing").selectOption("done");
    await bob.mover("Write the letter", "done").waitFor();
    await eventually(() => expect(visit.stored()).to.deep.equal(["Write the letter: done"]));
    await bob.page.reload();
    await bob.mover("Write the letter", "done").waitFor();
    await bob.page.getByText("bob: ready").waitFor();
    expect(bob.logins).to.have.length(1);
  });

  it("has users with a known password on this machine alone", async () => {
    for (const [env, status] of [
      [{}, 200],
      [{ ORIGIN: "https://board.example.com" }, 400],
    ] as const) {
      await using visit = await BoardVisit.open(env);
      const body = new URLSearchParams({ username: "ada", password: "correct horse battery" });
      const answer = await fetch(`${visit.origin}/login`, { method: "POST", body });
      expect(answer.status, JSON.stringify(env)).to.equal(status);
    }
  });

  it("shows a card and a move before the server has answered", async () => {
    await using visit = await BoardVisit.open();
    const [ada, bob] = await Promise.all([visit.logIn("ada"), visit.logIn("bob")]);
    ada.hold();
    await ada.add("Bake a cake");
    await ada.mover("Bake a cake", "todo").waitFor();
    expect(await ada.mover("Bake a cake", "todo").isDisabled()).to.equal(true);
    expect(visit.stored()).to.deep.equal([]);
    ada.release();
    await ada.page.locator("select:enabled").waitFor();
    await bob.mover("Bake a cake", "todo").waitFor();
    ada.hold();
    await ada.mover("Bake a cake", "todo").selectOption("doing");
    await ada.mover("Bake a cake", "doing").waitFor();
    expect(visit.stored()).to.deep.equal(["Bake a cake: todo"]);
    expect(await bob.shown()).to.deep.equal(["Bake a cake: todo"]);
    ada.release();
    await ada.page.locator("select:enabled").waitFor();
    await bob.mover("Bake a cake", "doing").waitFor();
    expect(await ada.shown()).to.deep.equal(["Bake a cake: doing"]);
  });

  it("takes a move back and says why when somebody else was faster", async () => {
    await using visit = await BoardVisit.open();
    const [ada, bob] = await Promise.all([visit.logIn("ada"), visit.logIn("bob")]);
    await ada.add("Buy paper");
    await bob.mover("Buy paper", "todo").waitFor();
    await ada.page.locator("select:enabled").waitFor();
    ada.hold();
    await ada.mover("Buy paper", "todo").selectOption("doing");
    await ada.mover("Buy paper", "doing").waitFor();
    await bob.mover("Buy paper", "todo").selectOption("done");
    await eventually(() => expect(visit.stored()).to.deep.equal(["Buy paper: done"]));
    expect(await ada.shown()).to.deep.equal(["Buy paper: doing"]);
    ada.release();
    await ada.alert("Somebody else has moved that card.").waitFor();
    await ada.mover("Buy paper", "done").waitFor();
    expect(visit.stored()).to.deep.equal(["Buy paper: done"]);
    // the next move is in the newest version, and the message goes
    await ada.mover("Buy paper", "done").selectOption("doing");
    await bob.mover("Buy paper", "doing").waitFor();
    await ada.alert("Somebody else has moved that card.").waitFor({ state: "detached" });
  });

  it("is closed at once to a member who is removed, who receives nothing more", async () => {
    await using visit = await BoardVisit.open();
    const [ada, bob] = await Promise.all([visit.logIn("ada"), visit.logIn("bob")]);
    await ada.add("Before");
    await bob.mover("Before", "todo").waitFor();
    await ada.page.getByRole("button", { name: "Remove bob" }).click();
    await bob.alert("You can't see this board: forbidden").waitFor();
    await ada.add("After");
    await ada.page.locator("select:enabled").nth(1).waitFor();
    await bob.page.reload(); // what was sent to the old socket has come by now
    await bob.alert("You can't see this board").waitFor();
    expect(visit.stored()).to.deep.equal(["After: todo", "Before: todo"]);
    expect(countOf(bob.received, "Before")).to.be.above(0);
    expect(countOf(bob.received, "After")).to.equal(0);
    expect(await bob.shown()).to.deep.equal([]);
    expect(await ada.page.getByRole("button", { name: "Remove bob" }).count()).to.equal(0);
  });

  it("signs a user out in all browsers, lets the user log in again at once, and leaves others alone", async () => {
    await using visit = await BoardVisit.open();
    const [first, second, bob] = await Promise.all(
      ["ada", "ada", "bob"].map((user) => visit.logIn(user)),
    );
    if (!first || !second || !bob) throw new Error("three browsers");
    await first.page.getByRole("button", { name: "Sign out everywhere" }).click();
    await first.page.getByLabel("Password").waitFor();
    await second.alert("You were signed out.").waitFor();
    const sockets = first.sockets;
    await first.logIn("ada");
    expect(first.logins).to.have.length(2);
    expect(first.sockets - sockets).to.equal(1); // the first token was good
    await first.add("Here again");
    await bob.mover("Here again", "todo").waitFor();
    expect(bob.sockets).to.equal(1);
    expect(await second.shown()).to.deep.equal([]);
    await second.page.reload();
    await second.page.getByLabel("Password").waitFor();
  });

  for (const signal of ["SIGTERM", "SIGKILL"] as const)
    it(`loses no call and no event when its server is away for ${downMs / 1_000} s after ${signal}`, async () => {
      await using visit = await BoardVisit.open();
      const [ada, bob] = await Promise.all([visit.logIn("ada"), visit.logIn("bob")]);
      const added: string[] = [];
      let isOver = false;
      const addAlways = async (page: BoardPage, user: string) => {
        for (let number = 1; !isOver; number++) {
          await page.add(`${user} ${number}`);
          added.push(`${user} ${number}: todo`);
        }
      };
      const adding = [addAlways(ada, "ada"), addAlways(bob, "bob")];
      await eventually(() => expect(visit.stored().length).to.be.above(10));
      const code = await visit.end(signal);
      expect(code).to.equal(signal === "SIGTERM" ? 0 : null);
      const before = added.length;
      await new Promise((resolve) => setTimeout(resolve, downMs)); // that long it is away
      expect(added.length).to.be.above(before);
      await visit.start();
      await ada.page.getByText("ada: ready").waitFor();
      await bob.page.getByText("bob: ready").waitFor();
      isOver = true;
      await Promise.all(adding);
      added.sort();
      await eventually(() => expect(visit.stored()).to.deep.equal(added), 20_000);
      for (const page of [ada, bob]) {
        await eventually(async () => expect(await page.shown()).to.deep.equal(added), 20_000);
        await page.page.locator("select:disabled").first().waitFor({ state: "detached" });
        expect(await page.page.getByRole("alert").innerText()).to.equal("");
        expect(page.sockets).to.be.above(1);
        // no state was read anew: each event came
        expect(countOf(page.sent, '"$snapshot":true')).to.equal(1);
        expect(countOf(page.received, '"gap":true')).to.equal(0);
      }
    });
});
