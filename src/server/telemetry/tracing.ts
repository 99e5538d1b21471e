/** Spans by OpenTelemetry, where `@opentelemetry/api` is installed: this file alone knows of it. */
import type * as OpenTelemetry from "@opentelemetry/api";
import { errorTable, standardErrors } from "../../protocol/error-codes.js";
import type { Params } from "../../protocol/messages.js";
import type { CallObservation } from "../../rpc/dispatch/call.js";
import { fireAndForget } from "../../runtime/application-code.js";
import type { Logger } from "../../runtime/logger.js";
import { otherLabel } from "./counter-map.js";
import { errorTypeOf } from "./error-type.js";

/** What the server is to blame for; anything else is an answer like another. */
const faults: ReadonlySet<number> = new Set([
  standardErrors.internal.code,
  errorTable.timeout.code,
  errorTable.too_large.code,
  errorTable.overloaded.code,
  errorTable.auth_unavailable.code,
]);

export class CallTracer {
  readonly #api: typeof OpenTelemetry;
  readonly #tracer: OpenTelemetry.Tracer;
  readonly #log: Logger;
  #hasFailed = false;

  constructor(api: typeof OpenTelemetry, log: Logger) {
    this.#api = api;
    this.#log = log;
    this.#tracer = api.trace.getTracer("jotwire");
  }

  /**
   * Starts a span, below the caller's if `params._meta` names it (W3C Trace Context). Nothing else
   * of the params is in it. Undefined: the application's propagator, sampler or span processor has
   * thrown, which costs the call nothing.
   */
  begin(method: string | null, params: Params | undefined): CallObservation | undefined {
    try {
      return this.#begin(method, params);
    } catch (error) {
      this.#tellOnce(error);
      return undefined;
    }
  }

  #begin(method: string | null, params: Params | undefined): CallObservation {
    const { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, propagation, trace } = this.#api;
    const parent = propagation.extract(ROOT_CONTEXT, carrierOf(params));
    const name = method ?? otherLabel;
    const attributes = { "rpc.system.name": "jsonrpc", "rpc.method": name };
    const span = this.#tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    const active = trace.setSpan(parent, span);
    return {
      within: (work) => context.with(active, work),
      end: (code) =>
        fireAndForget(
          () => {
            span.setAttribute(
              "rpc.status_code",
              code === null ? "none" : code === 0 ? "OK" : String(code),
            );
            const errorType = errorTypeOf(code);
            if (errorType !== undefined) span.setAttribute("error.type", errorType);
            if (code !== null && faults.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
            span.end();
          },
          (error) => this.#tellOnce(error),
        ),
    };
  }

  /** A tracer that fails does so with every call. */
  #tellOnce(error: unknown): void {
    if (!this.#hasFailed)
      this.#log.error(
        { event: "tracing.fail", err: error },
        "a span could not be made; the next failures are not logged",
      );
    this.#hasFailed = true;
  }
}

/** What `import` says of a missing package, and `require`, which it is in a CommonJS bundle. */
const missing: ReadonlySet<unknown> = new Set(["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"]);

/** Undefined: the package is not there. */
export async function loadTracer(log: Logger): Promise<CallTracer | undefined> {
  try {
    return new CallTracer(await import("@opentelemetry/api"), log);
  } catch (error) {
    if (error instanceof Error && "code" in error && missing.has(error.code)) return undefined;
    throw error;
  }
}

/** The two headers of W3C Trace Context, as far as a caller has put them in `_meta`. */
function carrierOf(params: Params | undefined): Readonly<Record<string, string>> {
  const meta =
    params === undefined || Array.isArray(params)
      ? undefined
      : (params as { readonly _meta?: unknown })._meta;
  const { traceparent, tracestate } = Object(meta) as {
    traceparent?: unknown;
    tracestate?: unknown;
  };
  return {
    ...(typeof traceparent === "string" ? { traceparent } : {}),
    ...(typeof tracestate === "string" ? { tracestate } : {}),
  };
}
