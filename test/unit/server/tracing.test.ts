import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  type Context,
  type ContextManager,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
} from "@opentelemetry/api";
import { expect } from "chai";
import { createRpc } from "../../../src/index.js";
import { sampleApp, startServer } from "../../helpers/server/test-server.js";

interface RecordedSpan {
  readonly name: string;
  readonly parent: unknown;
  readonly kind: SpanKind | undefined;
  readonly attributes: Record<string, unknown>;
  status: SpanStatusCode;
  hasEnded: boolean;
}

const parentKey = createContextKey("the caller's span");

/** As much of an OpenTelemetry SDK as it takes to see what the server does with one. */
function installSdk(): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) =>
      storage.run(active, () => work.apply(self as never, args)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  const propagator: TextMapPropagator = {
    inject: () => {},
    extract: (into, carrier, getter) =>
      into.setValue(parentKey, getter.get(carrier, "traceparent")),
    fields: () => ["traceparent"],
  };
  const startSpan = (
    name: string,
    { kind, attributes = {} }: SpanOptions = {},
    parent: Context = ROOT_CONTEXT,
  ) => {
    const recorded: RecordedSpan = {
      ...{ name, kind, parent: parent.getValue(parentKey), attributes: { ...attributes } },
      ...{ status: SpanStatusCode.UNSET, hasEnded: false },
    };
    spans.push(recorded);
    const span = {
      setAttribute: (key: string, value: unknown) => {
        recorded.attributes[key] = value;
        return span;
      },
      setStatus: ({ code }: { code: SpanStatusCode }) => {
        recorded.status = code;
        return span;
      },
      end: () => {
        recorded.hasEnded = true;
      },
      recorded,
    };
    return span as unknown as Span;
  };
  context.setGlobalContextManager(manager);
  propagation.setGlobalPropagator(propagator);
  trace.setGlobalTracerProvider({
    getTracer: () => ({ startSpan, startActiveSpan: startSpan }) as never,
  });
  return spans;
}

function tracedApp() {
  const rpc = createRpc();
  const seen: unknown[] = [];
  const app = rpc.router({
    look: rpc.method({
      public: true,
      async handler() {
        await Promise.resolve();
        seen.push(
          (trace.getActiveSpan() as { recorded?: RecordedSpan } | undefined)?.recorded?.name,
        );
        return "looked";
      },
    }),
    fail: rpc.method({
      public: true,
      handler: () => {
        throw new Error("no");
      },
    }),
  });
  return { app, seen };
}

describe("Tracing", () => {
  let spans: RecordedSpan[];

  beforeEach(() => {
    spans = installSdk();
  });

  afterEach(() => {
    context.disable();
    propagation.disable();
    trace.disable();
  });

  it("makes each call a span named after its method, below the caller's, active in the handler, and without params", async () => {
    const { app, seen } = tracedApp();
    await using server = await startServer(app, { tracing: true });
    const client = await server.connect();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await client.call("look", { secret: "hunter2", _meta: { traceparent } });
    expect(spans).to.deep.equal([
      {
        name: "look",
        parent: traceparent,
        kind: SpanKind.SERVER,
        attributes: { "rpc.system.name": "jsonrpc", "rpc.method": "look", "rpc.status_code": "OK" },
        status: SpanStatusCode.UNSET,
        hasEnded: true,
      },
    ]);
    expect(seen).to.deep.equal(["look"]);
  });

  it("marks what the server is to blame for, and not what the caller is; an unknown method has no name of its own", async () => {
    await using server = await startServer(tracedApp().app, { tracing: true });
    const client = await server.login();
    await client.call("fail");
    await client.call("made.up");
    expect(
      spans.map(({ name, status, hasEnded, attributes }) => [
        ...[name, status, hasEnded],
        attributes["error.type"],
      ]),
    ).to.deep.equal([
      ["fail", SpanStatusCode.ERROR, true, "internal_error"],
      ["_OTHER", SpanStatusCode.UNSET, true, "method_not_found"],
    ]);
  });

  it("takes any _meta for what it is: nothing in it can harm a call", async () => {
    await using server = await startServer(tracedApp().app, { tracing: true });
    const client = await server.connect();
    for (const _meta of [null, 7, [], { traceparent: 7 }, { traceparent: { get: 1 } }])
      expect((await client.call("look", { _meta })).result).to.equal("looked");
    expect((await client.call("look", [1])).result).to.equal("looked");
    expect(spans.every(({ parent }) => parent === undefined)).to.equal(true);
  });

  it("costs no call when OpenTelemetry throws, wherever it does, and says so once", async () => {
    const broken = () => {
      throw new Error("broken");
    };
    const brokenSpan = { setAttribute: broken, setStatus: broken, end: broken };
    const inject = { inject() {}, fields: () => [] };
    for (const install of [
      () => propagation.setGlobalPropagator({ ...inject, extract: broken }),
      () => trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: broken }) as never }),
      () =>
        trace.setGlobalTracerProvider({
          getTracer: () => ({ startSpan: () => brokenSpan }) as never,
        }),
    ]) {
      propagation.disable();
      trace.disable();
      install();
      await using server = await startServer(tracedApp().app, { tracing: true });
      const client = await server.connect();
      for (let time = 0; time < 2; time++)
        expect((await client.call("look")).result).to.equal("looked");
      expect(
        server.log.map(({ fields }) => fields.event).filter((event) => event === "tracing.fail"),
      ).to.have.length(1);
      expect((await server.server.sessions()).sessions[0]).to.include({ inFlight: 0 });
    }
  });

  it("does not happen without the option", async () => {
    await using server = await startServer(tracedApp().app);
    await (await server.connect()).call("look");
    expect(spans).to.deep.equal([]);
  });
});

describe("Diagnostics channels", () => {
  it("tell of connections, auth calls, calls and limits, without tokens and params, and only those who listen", async () => {
    const heard: [string, Record<string, unknown>][] = [];
    const listener = (message: unknown, name: string | symbol) =>
      void heard.push([String(name), message as Record<string, unknown>]);
    const names = [
      "connection:open",
      "connection:close",
      "auth",
      "call:start",
      "call:end",
      "limit",
    ].map((name) => `jotwire:${name}`);
    for (const name of names) subscribe(name, listener);
    try {
      await using server = await startServer(sampleApp(), { limits: { batchLength: 1 } });
      const client = await server.login({ sub: "ada", scope: "numbers:add" });
      await client.call("numbers.add", { a: 5_432 });
      client.send([1, 2]);
      await client.nextWhere(({ id }) => id === null);
      await client.close();
      while (server.server.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    } finally {
      for (const name of names) unsubscribe(name, listener);
    }
    expect(heard.map(([name]) => name.slice("jotwire:".length))).to.deep.equal([
      ...["connection:open", "auth", "call:start", "call:end", "limit", "connection:close"],
    ]);
    const [open, auth, , end, limit, close] = heard.map(([, message]) => message);
    expect(auth).to.include({
      method: "authenticate",
      outcome: "ok",
      subject: "ada",
      connection: open?.connection,
    });
    expect(end).to.deep.include({ method: "numbers.add", code: 1001 });
    expect(limit).to.deep.equal({ limit: "batchLength" });
    expect(close).to.include({ code: 1000, connection: open?.connection });
    expect(JSON.stringify(heard)).to.not.match(/5432|eyJ/);
  });
});
