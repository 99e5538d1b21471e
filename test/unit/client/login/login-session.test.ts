import { expect } from "chai";
import { LoginSession, type LoginSource } from "../../../../client/login/login-session.js";
import { type AccessToken, LoginFailure } from "../../../../client/login/session-state.js";
import { Pages } from "../../../helpers/client/pages.js";
import { rejectionOf } from "../../../helpers/rejection.js";

const signal = new AbortController().signal;
const asked = { reason: "connect", force: false, attempt: 1, previous: null, signal } as const;
const stepUp = { ...asked, reason: "step_up", force: true, maxAge: 60 } as const;

function access(token: string, subject = "ada"): AccessToken {
  return { token, subject, scopes: [], expiresAt: Date.now() + 300_000 };
}

/** A session that a reload keeps, whose tokens are renewed by `renew`. */
function sessionWith(renew: LoginSource["renew"]): LoginSession {
  return new LoginSession("test", {
    ...{ survivesReload: () => true, renew, forget() {}, async stepUp() {} },
  });
}

/** Is `work` still pending when everything has happened that can happen by itself? */
async function isPending(work: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  work.then(settle, settle);
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  return !isSettled;
}

describe("The session of a page", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  beforeEach(() => {
    const value = new URL("https://board.example.com/");
    Object.defineProperty(globalThis, "location", { value, configurable: true });
  });
  afterEach(() => {
    if (before) Object.defineProperty(globalThis, "location", before);
    else Reflect.deleteProperty(globalThis, "location");
  });

  it("that could ask nobody at first asks again when a token is needed", async () => {
    let isDown = true;
    const session = sessionWith(async () => {
      if (isDown) throw new LoginFailure("unavailable", "down");
      return access("one");
    });
    expect(await rejectionOf(session.ready())).to.include({ code: "unavailable" });
    expect(session.state.status).to.equal("loading");
    isDown = false;
    expect(await session.token(asked)).to.equal("one");
    expect(await session.ready()).to.include({ status: "signed_in", subject: "ada" });
  });

  it("answers a demand for a newer login by a login, not by a renewal", async () => {
    const session = sessionWith(async () => access("renewed"));
    await session.change(async () => access("first"));
    const newer = session.token(stepUp);
    expect(await isPending(newer)).to.equal(true);
    expect(await session.token({ ...asked, force: true, previous: "first" })).to.equal("renewed");
    expect(await isPending(newer), "the user has not logged in yet").to.equal(true);
    expect(session.state.stepUp, "the form is still shown").to.include({ maxAge: 60 });
    await session.change(async () => access("newer"));
    expect(await newer).to.equal("newer");
    expect(session.state.stepUp).to.equal(null);
  });

  it("answers all that demand a newer login, and asks until the last gives up", async () => {
    const session = sessionWith(async () => access("renewed"));
    await session.change(async () => access("first"));
    const [one, two] = [new AbortController(), new AbortController()];
    const first = session.token({ ...stepUp, signal: one.signal });
    const second = session.token({ ...stepUp, maxAge: 30, signal: two.signal });
    await isPending(second);
    two.abort(new Error("over"));
    expect(await rejectionOf(second)).to.have.property("message", "over");
    expect(session.state.stepUp, "one still waits").to.include({ maxAge: 60 });
    await session.change(async () => access("newer"));
    expect(await first).to.equal("newer");
    const third = session.token({ ...stepUp, signal: one.signal });
    await isPending(third);
    one.abort(new Error("over"));
    await rejectionOf(third);
    expect(session.state.stepUp).to.equal(null);
  });

  it("gives no newer login to who signs out, or of another user", async () => {
    for (const outcome of ["logout", access("bobs", "bob")] as const) {
      const session = sessionWith(async () => access("renewed"));
      await session.change(async () => access("first"));
      const newer = session.token(stepUp);
      await isPending(newer);
      await session.change(async () => outcome);
      expect(await newer).to.equal(null);
      expect(session.state.stepUp).to.equal(null);
    }
  });

  it("has a demand for a newer login answered by a login in another tab, not by a renewal", async () => {
    using _pages = new Pages();
    const [here, there] = [1, 2].map(() => sessionWith(async () => access("renewed"))) as [
      LoginSession,
      LoginSession,
    ];
    await there.change(async () => access("first"));
    await settled();
    const newer = here.token(stepUp);
    expect(await isPending(newer)).to.equal(true);
    await there.renew();
    expect(await here.token(asked), "here, too").to.equal("renewed");
    expect(await isPending(newer)).to.equal(true);
    await there.change(async () => access("newer"));
    expect(await newer).to.equal("newer");
    for (const session of [here, there]) session.close();
  });

  it("leaves it to the tab that logs out to forget what the tabs share", async () => {
    using _pages = new Pages();
    const forgotten: string[] = [];
    const [here, there] = ["here", "there"].map(
      (tab) =>
        new LoginSession("test", {
          ...{ survivesReload: () => true, renew: async () => null, stepUp: async () => {} },
          forget: () => forgotten.push(tab),
        }),
    ) as [LoginSession, LoginSession];
    await here.change(async () => access("first"));
    await settled();
    expect(there.state.status).to.equal("signed_in");
    await here.change(async () => "logout");
    await settled();
    expect(there.state).to.include({ status: "signed_out", reason: "logout" });
    // a frozen tab hears of it when somebody else has logged in
    expect(forgotten).to.deep.equal(["here"]);
    for (const session of [here, there]) session.close();
  });

  it("whose user can't be led to the provider rejects the demand, and shows none", async () => {
    const session = new LoginSession("test", {
      ...{ survivesReload: () => true, renew: async () => null, forget() {} },
      stepUp: () => Promise.reject(new LoginFailure("unavailable", "down")),
    });
    await session.change(async () => access("first"));
    expect(await rejectionOf(session.token(stepUp))).to.include({ code: "unavailable" });
    expect(session.state).to.include({ status: "signed_in", stepUp: null });
  });
});

async function settled(): Promise<void> {
  await isPending(Promise.resolve());
}
