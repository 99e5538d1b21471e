import { errorOf, standardError } from "../../protocol/error-codes.js";
import type { Request } from "../../protocol/messages.js";
import type { OpenRpc } from "../../rpc/define/openrpc.js";
import { type Caller, RpcFault } from "../../rpc/dispatch/call.js";
import type { Builtin } from "../../rpc/dispatch/dispatcher.js";

/**
 * The methods that the server itself answers: they extend nothing, and never count as in flight.
 */
export const builtins: readonly (readonly [string, Builtin])[] = [
  ["ping", { public: true, run: ({ params }) => params ?? "pong" }],
  ["whoami", { public: true, run: (_request, caller) => caller.whoami() }],
  ["$/cancelRequest", { public: true, run: cancelRequest }],
  ["unsubscribe", { public: false, run: unsubscribe }],
];

/** The same, and `rpc.discover` for whom the option `discover` says. */
export function builtinsWith(
  openRpc: OpenRpc,
  discover: "authenticated" | "public" | false,
): ReadonlyMap<string, Builtin> {
  const discovery: Builtin = {
    public: discover === "public",
    isJson: true,
    run: (_request, caller) => openRpc.for(caller.session.auth),
  };
  return new Map([
    ...builtins,
    ...(discover === false ? [] : ([["rpc.discover", discovery]] as const)),
  ]);
}

/** `{"id": …}`: aborts that request's handler. Silent for an id that is not in flight. */
function cancelRequest({ params }: Request, caller: Caller): null {
  const id = Array.isArray(params)
    ? params[0]
    : (params as { readonly id?: unknown } | undefined)?.id;
  if (id === null || typeof id === "string" || typeof id === "number")
    caller.pending.cancel(id, errorOf("cancelled"));
  return null;
}

/** `{"subscription": …}` */
function unsubscribe({ params }: Request, caller: Caller): { readonly ok: boolean } {
  const id = Array.isArray(params)
    ? params[0]
    : (params as { readonly subscription?: unknown } | undefined)?.subscription;
  if (typeof id === "string") return { ok: caller.unsubscribe(id) };
  const message =
    'send the id that the subscription\'s call was answered with: {"subscription":"…"}';
  throw new RpcFault(
    standardError("invalidParams", { issues: [{ path: ["subscription"], message }] }),
  );
}
