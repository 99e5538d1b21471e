import { expect } from "chai";
import { describe, it } from "mocha";
import { createListeners } from "../../../client/listeners.js";
import { settled } from "../../helpers/client/scripted-client.js";

describe("createListeners", () => {
  it("tells every handler of a name, and none of another", async () => {
    const listeners = createListeners(() => {});
    const heard: unknown[] = [];
    listeners.on("a", (event) => heard.push(event));
    listeners.on("a", (event) => heard.push(event));
    listeners.on("b", () => heard.push("b"));
    listeners.emit("a", 1);
    listeners.emit("c", 2);
    await settled();
    expect(heard).to.deep.equal([1, 1]);
  });

  it("stops one listening at a time, though the function is the same", async () => {
    const listeners = createListeners(() => {});
    const heard: unknown[] = [];
    const handler = (event: unknown) => heard.push(event);
    const stop = listeners.on("a", handler);
    listeners.on("a", handler);
    stop();
    stop();
    listeners.emit("a", 1);
    await settled();
    expect(heard).to.deep.equal([1]);
  });

  it("calls from a copy: a handler that listens anew for the same event hears only of the next one", async () => {
    const listeners = createListeners(() => {});
    const heard: unknown[] = [];
    const listen = () => {
      const stop = listeners.on("a", (event) => {
        heard.push(event);
        stop();
        listen();
      });
    };
    listen();
    listeners.emit("a", 1);
    await settled();
    expect(heard).to.deep.equal([1]);
    listeners.emit("a", 2);
    await settled();
    expect(heard).to.deep.equal([1, 2]);
  });

  it("doesn't call a handler that one before it has stopped", async () => {
    const listeners = createListeners(() => {});
    const heard: unknown[] = [];
    listeners.on("a", () => stop());
    const stop = listeners.on("a", (event) => heard.push(event));
    listeners.emit("a", 1);
    await settled();
    expect(heard).to.deep.equal([]);
  });

  it("calls nobody in the step that emits: a handler may do anything there", async () => {
    const listeners = createListeners(() => {});
    const heard: unknown[] = [];
    listeners.on("a", (event) => heard.push(event));
    listeners.emit("a", 1);
    expect(heard).to.deep.equal([]);
    await settled();
    expect(heard).to.deep.equal([1]);
  });

  it("tells what a handler threw, and goes on with the next", async () => {
    const thrown: unknown[] = [];
    const listeners = createListeners((error) => thrown.push(error));
    const heard: unknown[] = [];
    listeners.on("a", () => {
      throw new Error("broken listener");
    });
    listeners.on("a", (event) => heard.push(event));
    listeners.emit("a", 1);
    await settled();
    expect(heard).to.deep.equal([1]);
    expect(thrown).to.have.length(1);
  });
});
