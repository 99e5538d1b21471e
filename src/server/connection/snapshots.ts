import { errorOf, standardError } from "../../protocol/error-codes.js";
import type { Auth } from "../../rpc/define/access.js";
import type { SnapshotContext, SnapshotSource } from "../../rpc/define/declared-subscription.js";
import { RpcFault } from "../../rpc/dispatch/call.js";
import { toPromise, withTimeout } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { describe } from "../../runtime/thrown.js";
import type { Limits } from "../limits.js";

// a snapshot that never settles would keep its place without a limit, too
const longestWait = 300_000; // 5 min

export interface SnapshotServices {
  readonly clock: Clock;
  readonly limits: Pick<Limits, "requestTimeout">;
  readonly log: Logger;
  readonly newErrorId: () => string;
}

/** Who needs a snapshot of which topic. */
export interface SnapshotRequest {
  /** The method's wire name. */
  readonly method: string;
  readonly source: SnapshotSource;
  readonly params: unknown;
  readonly auth: Auth;
}

/** A snapshot that is on its way. */
export interface SnapshotTicket {
  /** JSON. Rejects with {@link RpcFault}. */
  readonly json: Promise<string>;
  /** The result is no longer needed. */
  cancel(): void;
}

/** Has the application make snapshots. */
export class Snapshots {
  readonly #services: SnapshotServices;

  constructor(services: SnapshotServices) {
    this.#services = services;
  }

  take(request: SnapshotRequest): SnapshotTicket {
    const controller = new AbortController();
    return {
      json: this.#run(request, controller),
      cancel: () => controller.abort(),
    };
  }

  async #run(request: SnapshotRequest, controller: AbortController): Promise<string> {
    const { clock, limits } = this.#services;
    const { params, auth, source } = request;
    const context: SnapshotContext<Auth, unknown> = { params, auth, signal: controller.signal };
    try {
      const timeoutMs = Math.min(limits.requestTimeout, longestWait);
      const made = (async () => source(context))();
      const state = await withTimeout(toPromise(made), timeoutMs, clock, "the snapshot");
      return JSON.stringify(state) ?? "null";
    } catch (error) {
      throw this.#failed(request, error, controller);
    } finally {
      controller.abort();
    }
  }

  #failed({ method }: SnapshotRequest, error: unknown, { signal }: AbortController): RpcFault {
    if (signal.aborted) return new RpcFault(errorOf("cancelled")); // nobody hears this
    const errorId = this.#services.newErrorId();
    this.#services.log.error(
      { event: "snapshot.fail", errorId, method, err: describe(error) },
      "snapshot failed",
    );
    return new RpcFault(standardError("internal", { errorId }));
  }
}
