import { JSONRPCServer } from "json-rpc-2.0";
import type { Request, Response } from "../../protocol/messages.js";

type Run<Context> = (request: Request, context: Context) => PromiseLike<Response | null>;

/**
 * The JSON-RPC engine, json-rpc-2.0, for one request at a time. It is only ever given a request
 * that passed the envelope check and names a known method, and methods that never reject: raw
 * frames and batches make it misbehave.
 */
export class Engine<Context> {
  // its default prints the peer's strings
  readonly #server = new JSONRPCServer<Context>({ errorListener: () => {} });

  add(name: string, run: Run<Context>): void {
    this.#server.addMethodAdvanced(
      name,
      run as Parameters<JSONRPCServer<Context>["addMethodAdvanced"]>[1],
    );
  }

  receive(request: Request, context: Context): Promise<Response | null> {
    return this.#server.receive(
      withoutStrangers(request) as { method: string } & Parameters<
        JSONRPCServer<Context>["receive"]
      >[0],
      context,
    ) as Promise<Response | null>;
  }
}

/**
 * The engine takes a request that also has a `result` or an `error` for no request; the
 * specification says nothing against them.
 */
function withoutStrangers(request: Request): Request {
  const strange = request as Request & { readonly result?: unknown; readonly error?: unknown };
  if (strange.result === undefined && strange.error === undefined) return request;
  const { result: _result, error: _error, ...rest } = strange;
  return rest;
}
