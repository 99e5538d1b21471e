import { expect } from "chai";
import { describe, it } from "mocha";
import type { Subscription } from "../../../client/index.js";
import { createClient } from "../../../client/node.js";
import { outcomeOf, scriptedClient, settled } from "../../helpers/client/scripted-client.js";
import { consume } from "../../helpers/consumer.js";

const url = "ws://server.test/rpc";
const lazy = { url, connect: "lazy" } as const;

describe("The options of createClient", () => {
  it("that are misspelt are refused, with the names of those that there are", () => {
    for (const [wrong, meant] of [
      ["timeOut", "timeout"],
      ["clock", "testing"],
      ["toString", "token"],
    ] as const)
      expect(() => createClient({ ...lazy, [wrong]: 1 } as never))
        .to.throw(TypeError, `option ${wrong}: not one of`)
        .with.property("message")
        .that.includes(meant);
    expect(() => createClient({ ...lazy, backoff: { least: 5 } } as never)).to.throw(
      TypeError,
      "option least: not one of min,max",
    );
    createClient({ ...lazy, timeout: undefined, backoff: {}, testing: {} });
  });

  it("that are numbers may be Infinity, and not 0, less, or NaN", () => {
    const numbers = {
      timeout: (timeout: number) => ({ timeout }),
      tokenTimeout: (tokenTimeout: number) => ({ tokenTimeout }),
      queue: (queue: number) => ({ queue }),
      maxFrameBytes: (maxFrameBytes: number) => ({ maxFrameBytes }),
      min: (min: number) => ({ backoff: { min } }),
      max: (max: number) => ({ backoff: { max } }),
    };
    for (const [name, make] of Object.entries(numbers)) {
      for (const value of [0, -1, Number.NaN])
        expect(() => createClient({ ...lazy, ...make(value) })).to.throw(
          TypeError,
          `option ${name}: not ${value}; no limit: Infinity`,
        );
      for (const value of [0.5, Number.POSITIVE_INFINITY])
        createClient({ ...lazy, ...make(value) });
    }
  });
});

describe("The options of a call", () => {
  it("that are misspelt, or out of range, reject it, and nothing is sent", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    for (const [options, message] of [
      [{ timout: 5 }, "option timout: not one of signal,timeout,idempotent,gaps,buffer"],
      [{ timeout: 0 }, "option timeout: not 0; no limit: Infinity"],
      [{ timeout: Number.NaN }, "option timeout: not NaN; no limit: Infinity"],
    ] as const) {
      const call = outcomeOf(client.call("a", {}, options as never));
      await settled();
      expect(call.error)
        .to.be.instanceOf(TypeError)
        .with.property("message")
        .that.includes(message);
    }
    expect(socket.count("a")).to.equal(0);
    const signal = AbortSignal.timeout(60_000);
    void client.call("a", {}, { timeout: 5, idempotent: true, signal }).catch(() => {});
    expect(socket.count("a")).to.equal(1);
    await client.close();
  });
});

describe("The options of a subscription", () => {
  it("that are misspelt, or out of range, are refused, by name and by path", async () => {
    const { client, signIn } = scriptedClient();
    const socket = await signIn();
    const watch = client.api.watch as unknown as (
      params: object,
      options: object,
    ) => Subscription<unknown>;
    for (const [options, message] of [
      [{ buffers: 5 }, "option buffers: not one of"],
      [{ buffer: 0 }, "option buffer: not 0; no limit: Infinity"],
    ] as const) {
      expect(() => client.subscribe("watch", {}, options as never)).to.throw(TypeError, message);
      const got = consume(watch({}, options));
      await settled();
      expect(got.error).to.be.instanceOf(TypeError).with.property("message").that.includes(message);
    }
    expect(socket.count("watch")).to.equal(0);
    consume(client.subscribe("watch", {}, { buffer: 1, gaps: false }));
    consume(watch({}, { buffer: 1, gaps: false }));
    expect(socket.count("watch")).to.equal(2);
    await client.close();
  });
});
