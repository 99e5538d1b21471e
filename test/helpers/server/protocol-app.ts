import { z } from "zod";
import { createRpc, type StandardSchema } from "../../../src/index.js";

type Claims = Readonly<Record<string, unknown>>;

/** An application with a method for each rule of the protocol, which remembers what ran. */
export function protocolApp(claims?: StandardSchema<Claims, Claims>) {
  const ran: string[] = [];
  const signals: AbortSignal[] = [];
  const answers: (() => void)[] = [];
  const rpc = createRpc({
    ...(claims === undefined ? {} : { claims }),
    scopes: ["read", "write"],
    notifications: { news: z.object({ n: z.number() }), bulk: z.object({ text: z.string() }) },
  });
  const app = rpc.router({
    time: { now: rpc.method({ public: true, handler: ({ auth }) => auth?.subject ?? "nobody" }) },
    echo: rpc.method({
      handler({ params }) {
        ran.push("echo");
        return params;
      },
    }),
    who: rpc.method({ handler: ({ auth }) => ({ subject: auth.subject, scopes: auth.scopes }) }),
    read: rpc.method({ scope: "read", summary: "Reads", handler: () => "read" }),
    change: rpc.method({ scope: ["read", "write"], handler: () => "changed" }),
    checked: rpc.method({
      params: z.object({ n: z.number() }).refine(() => ran.push("schema") > 0),
      handler: ({ params }) => params.n,
    }),
    /** Two frames from one call: the push, then the response. */
    tell: rpc.method({
      handler({ connection }) {
        connection.notify("news", { n: 1 });
        return "told";
      },
    }),
    /** Pending until its signal aborts, or the test answers. */
    wait: rpc.method({
      handler: ({ signal }) =>
        new Promise<string>((resolve) => {
          ran.push("wait");
          signals.push(signal);
          answers.push(() => resolve("answered"));
          signal.addEventListener("abort", () => resolve("aborted"));
        }),
    }),
    /** Pending for ever, whatever its signal says. */
    stubborn: rpc.method({ handler: () => new Promise<never>(() => void ran.push("stubborn")) }),
    text: rpc.method({
      params: z.object({ size: z.number() }),
      handler: ({ params }) => "x".repeat(params.size),
    }),
    fail: rpc.method({
      handler: () => {
        throw new Error("a secret of the implementation");
      },
    }),
  });
  return {
    app,
    /** Names of the handlers that ran, and "schema" for each run of the one of `checked`. */
    ran,
    /** Signals of the calls of `wait`. */
    signals,
    /** Answers the calls of `wait`. */
    answers,
  };
}
