import { expect } from "chai";
import {
  createTokenEndpoint,
  TokenRefusal,
} from "../../../console/model/session/token-endpoint.js";
import { rejectionOf } from "../../helpers/rejection.js";

type Answer = (signal: AbortSignal) => Promise<Response>;

/** An endpoint whose answers the test gives, and whose limits the test lets pass. */
class Pretended implements Disposable {
  readonly asked: unknown[] = [];
  readonly told: string[] = [];
  readonly limits: { readonly ms: number; readonly pass: () => void }[] = [];
  readonly endpoint = createTokenEndpoint("", (path, status) =>
    this.told.push(`${path} ${status}`),
  );
  readonly #fetch = globalThis.fetch;
  readonly #timeout = AbortSignal.timeout;

  constructor(answers: readonly Answer[]) {
    globalThis.fetch = async (_, { body, signal } = {}) => {
      this.asked.push(JSON.parse(String(body)));
      const answer = answers[this.asked.length - 1];
      if (answer === undefined) throw new Error("asked too often");
      return answer(signal ?? new AbortController().signal);
    };
    AbortSignal.timeout = (ms) => {
      const limit = new AbortController();
      this.limits.push({
        ms,
        pass: () => limit.abort(new DOMException("it took too long", "TimeoutError")),
      });
      return limit.signal;
    };
  }

  [Symbol.dispose](): void {
    globalThis.fetch = this.#fetch;
    AbortSignal.timeout = this.#timeout;
  }
}

const given: Answer = async () => Response.json({ access_token: "a2", refresh_token: "r2" });
const lost: Answer = () => Promise.reject(new TypeError("fetch failed"));
const hung: Answer = (signal) =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
const never = new AbortController().signal;
const r1 = { grant_type: "refresh_token", refresh_token: "r1", cookie: "false" };

describe("The console's token endpoint", () => {
  it("asks once more, at once, with the same refresh token, when the answer is lost", async () => {
    using pretended = new Pretended([lost, given]);
    expect(await pretended.endpoint.refresh("r1", never)).to.deep.equal({
      access: "a2",
      refresh: "r2",
    });
    expect(pretended.asked).to.deep.equal([r1, r1]);
    expect(pretended.told).to.deep.equal(["/token 0", "/token 200"]);
  });

  it("does so, too, when the answer breaks off", async () => {
    using pretended = new Pretended([async () => new Response('{"access_token":"'), given]);
    expect(await pretended.endpoint.refresh("r1", never)).to.deep.equal({
      access: "a2",
      refresh: "r2",
    });
    expect(pretended.asked).to.deep.equal([r1, r1]);
    expect(pretended.told).to.deep.equal(["/token 200", "/token 200"]);
  });

  it("waits 3 s for each answer, so that both are asked for while the first can be had again", async () => {
    using pretended = new Pretended([hung, hung]);
    const failed = rejectionOf(pretended.endpoint.refresh("r1", never));
    pretended.limits[0]?.pass();
    await new Promise((resolve) => void setImmediate(resolve));
    pretended.limits[1]?.pass();
    expect(await failed).to.have.property("name", "TimeoutError");
    expect(pretended.limits.map(({ ms }) => ms)).to.deep.equal([3_000, 3_000]);
    expect(pretended.asked).to.deep.equal([r1, r1]);
  });

  it("doesn't ask again when it was answered, or is no longer asked", async () => {
    {
      using pretended = new Pretended([
        async () => Response.json({ error_description: "revoked" }, { status: 400 }),
      ]);
      expect(await rejectionOf(pretended.endpoint.refresh("r1", never))).to.be.instanceOf(
        TokenRefusal,
      );
      expect(pretended.asked).to.have.length(1);
    }
    using pretended = new Pretended([hung]);
    const controller = new AbortController();
    const failed = rejectionOf(pretended.endpoint.refresh("r1", controller.signal));
    controller.abort(new Error("no longer wanted"));
    expect(await failed).to.have.property("message", "no longer wanted");
    expect(pretended.asked).to.have.length(1);
  });

  it("logs in once, however long that takes", async () => {
    using pretended = new Pretended([lost]);
    expect(await rejectionOf(pretended.endpoint.logIn("ada", "secret"))).to.have.property(
      "message",
      "Can't reach the server. Is it running?",
    );
    expect(pretended.limits).to.deep.equal([]);
    expect(pretended.asked).to.have.length(1);
  });
});
