import { expect } from "chai";
import { Calls } from "../../../console/model/call/calls.js";
import { type Method, methodsIn } from "../../../console/model/open-rpc.js";
import { failureOf, type Outcome, resultOf } from "../../../console/model/outcome.js";

function methodNamed(name: string): Method {
  const params = [{ name: "sku", required: true, schema: { type: "string" } }];
  const found = methodsIn({ methods: [{ name, params }] }, []).find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

/** Calls that are answered when the test says so. */
function calls() {
  const running: { method: string; signal: AbortSignal; answer(outcome: Outcome): void }[] = [];
  const made = new Calls(
    (method, _, signal) =>
      new Promise((answer) => {
        running.push({ method, signal, answer });
        signal.addEventListener("abort", () => answer(failureOf(signal.reason, 5)));
      }),
  );
  return { calls: made, running };
}

const [a, b] = [methodNamed("a"), methodNamed("b")];

describe("The console's calls", () => {
  it("keep the params, the outcome and a running call of each method", async () => {
    const { calls: made, running } = calls();
    made.type(a, '{"sku":"A1"}');
    const done = made.run(a, { sku: "A1" });
    expect(made.of(a).value.isRunning).to.equal(true);
    expect(made.of(b).value).to.deep.include({ text: '{\n  "sku": ""\n}', isRunning: false });
    await made.run(a, {}); // it runs already
    expect(running.map(({ method }) => method)).to.deep.equal(["a"]);
    running[0]?.answer(resultOf("yes", 1));
    await done;
    expect(made.of(a).value).to.deep.include({ text: '{"sku":"A1"}', isRunning: false });
    expect(made.of(a).value.outcome).to.deep.include({ is: "result", value: "yes" });
    expect(made.of(b).value.outcome).to.equal(undefined);
  });

  it("are cancelled one by one, and all of them when they are cleared", async () => {
    const { calls: made, running } = calls();
    const all = [made.run(a, {}), made.run(b, {})];
    made.cancel(a);
    await all[0];
    expect(made.of(a).value).to.deep.include({ isRunning: false });
    expect(made.of(a).value.outcome).to.deep.equal({ is: "cancelled", took: 5, isRaw: false });
    expect(running.map(({ signal }) => signal.aborted)).to.deep.equal([true, false]);
    made.clear();
    expect(running.map(({ signal }) => signal.aborted)).to.deep.equal([true, true]);
    expect(made.of(a).value.outcome).to.equal(undefined);
  });

  it("show the server's issues until the params change", async () => {
    const { calls: made, running } = calls();
    const refused = () => {
      const failure = failureOf(new Error("Invalid params"), 1);
      const issues = [{ path: ["sku"], message: "too short" }];
      running.at(-1)?.answer({ ...failure, data: { issues } } as Outcome);
    };
    const first = made.run(a, {});
    refused();
    await first;
    expect(made.of(a).value.issues).to.deep.equal([{ path: ["sku"], message: "too short" }]);
    made.type(a, "{}");
    expect(made.of(a).value.issues).to.deep.equal([]);
    const second = made.run(a, {});
    made.type(a, '{"sku":"A1"}'); // the answer is about other params
    refused();
    await second;
    expect(made.of(a).value.issues).to.deep.equal([]);
  });

  it("are kept for 200 methods; the one that was not used for longest is forgotten and ended", () => {
    const { calls: made, running } = calls();
    made.run(a, {}).catch(() => {});
    made.type(b, "{}");
    for (let number = 0; number < 198; number++) made.of(methodNamed(`m${number}`));
    expect(running[0]?.signal.aborted).to.equal(false);
    made.of(methodNamed("m198"));
    expect(running[0]?.signal.aborted).to.equal(true);
    expect(made.of(b).value.text).to.equal("{}");
  });
});
