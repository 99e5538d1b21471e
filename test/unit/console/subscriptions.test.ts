import { expect } from "chai";
import type { Client } from "../../../client/index.js";
import { Subscriptions } from "../../../console/model/timeline/subscriptions.js";

declare global {
  /** A page's; Node has none. */
  var reportError: (error: unknown) => void;
}

/** Subscriptions of a client whose every subscription lasts until it is ended. */
function subscribing() {
  const subscriptions = new Subscriptions(
    (callback) => callback(),
    () => {},
  );
  const subscribe: Client["subscribe"] = async function* (
    _name: string,
    _params: unknown,
    { signal }: { readonly signal: AbortSignal },
  ) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  } as never;
  const client = { subscribe } as Client;
  const start = (name: string) => subscriptions.start(client, name, undefined);
  const names = () => subscriptions.list.value.map(({ name }) => name);
  const isLive = (name: string) =>
    subscriptions.list.value.some((one) => one.name === name && one.isLive);
  /** Ends the subscription with this name, and waits until it is over. */
  const end = async (name: string) => {
    subscriptions.end(subscriptions.list.value.find((one) => one.name === name)?.number ?? 0);
    while (isLive(name)) await Promise.resolve();
  };
  return { start, names, end };
}

describe("The console's subscriptions", () => {
  before(() => {
    globalThis.reportError = (error) => {
      throw error;
    };
  });

  after(() => {
    Reflect.deleteProperty(globalThis, "reportError");
  });

  it("takes no more than 32 that are live", async () => {
    const { start, names, end } = subscribing();
    for (let count = 0; count < 32; count++) start(`topic.${count}`);
    expect(() => start("another")).to.throw("32 subscriptions are enough");
    await end("topic.0");
    start("another");
    expect(names()).to.have.lengthOf(32).and.to.include("another").and.not.to.include("topic.0");
    expect(() => start("one more")).to.throw("32 subscriptions are enough");
  });

  it("makes room with what is over, the oldest first, whatever its method", async () => {
    const { start, names, end } = subscribing();
    for (let count = 0; count < 32; count++) start(`topic.${count}`);
    for (let count = 0; count < 32; count++) await end(`topic.${count}`);
    start("another");
    expect(names()).to.have.lengthOf(32).and.to.include("topic.1").and.not.to.include("topic.0");
    start("topic.5"); // which takes the place of its own
    expect(names().filter((name) => name === "topic.5")).to.have.lengthOf(1);
    expect(names()).to.include("topic.1");
  });
});
