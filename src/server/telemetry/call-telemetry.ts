import type { Id, Request } from "../../protocol/messages.js";
import type { CallObservation, CallObserver } from "../../rpc/dispatch/call.js";
import type { Clock } from "../../runtime/clock.js";
import { channels } from "./diagnostics-channels.js";
import type { CallMetrics } from "./telemetry.js";
import type { CallTracer } from "./tracing.js";

/**
 * Tells the meter, the tracer and the diagnostics channels of every call, as far as they are there.
 */
export class CallTelemetry implements CallObserver {
  readonly #clock: Clock;
  readonly #meter: CallMetrics | undefined;
  readonly #tracer: () => CallTracer | undefined;

  constructor(clock: Clock, meter: CallMetrics | undefined, tracer: () => CallTracer | undefined) {
    this.#clock = clock;
    this.#meter = meter;
    this.#tracer = tracer;
  }

  begin(method: string | null, request: Request): CallObservation | undefined {
    const tracer = this.#tracer();
    const isHeard = channels.callStart.hasSubscribers || channels.callEnd.hasSubscribers;
    if (this.#meter === undefined && tracer === undefined && !isHeard) return undefined;
    if (isHeard) channels.callStart.publish({ method, id: request.id });
    const startedAt = this.#clock.monotonic();
    return new WatchedCall(
      method,
      request.id,
      startedAt,
      this.#clock,
      this.#meter,
      tracer?.begin(method, request.params),
    );
  }
}

class WatchedCall implements CallObservation {
  readonly within: CallObservation["within"];
  readonly #method: string | null;
  readonly #id: Id | undefined;
  readonly #startedAt: number;
  readonly #clock: Clock;
  readonly #meter: CallMetrics | undefined;
  readonly #span: CallObservation | undefined;

  constructor(
    method: string | null,
    id: Id | undefined,
    startedAt: number,
    clock: Clock,
    meter: CallMetrics | undefined,
    span: CallObservation | undefined,
  ) {
    this.#method = method;
    this.#id = id;
    this.#startedAt = startedAt;
    this.#clock = clock;
    this.#meter = meter;
    this.#span = span;
    this.within = span?.within;
  }

  end(code: number | null): void {
    const duration = this.#clock.monotonic() - this.#startedAt;
    this.#meter?.observe(this.#method, code, duration / 1000);
    this.#span?.end(code);
    if (channels.callEnd.hasSubscribers)
      channels.callEnd.publish({ method: this.#method, id: this.#id, code, duration });
  }
}
