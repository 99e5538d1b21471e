import type { Clock } from "../../runtime/clock.js";
import { prefixOf } from "../../runtime/ip-address.js";
import type { Limits } from "../limits.js";
import type { OverloadLimit } from "./overload.js";
import type { UpgradeRefusal } from "./upgrade-checks.js";

/** Whether the server as a whole can take one more connection, whoever it is that asks. */

// of what is accepted in a second: else one that comes and goes keeps everybody else out
const shareOfAddress = 0.25;
// the rest is for stores, keys, HTTP requests and what the application opens
const shareOfFiles = 0.8;

export interface AcceptPorts {
  readonly clock: Clock;
  readonly connections: { readonly size: number };
  /** How many files the process may open; undefined: no limit is known. */
  readonly openFiles: number | undefined;
  /** `limit`: by which the process is overloaded; undefined: none. */
  readonly overload: { readonly limit: OverloadLimit | undefined };
}

export class AcceptLimits {
  readonly #ports: AcceptPorts;
  readonly #maxPerSecond: number;
  readonly #maxOfAddress: number;
  readonly #most: number;
  readonly #accepted = new FixedWindowCounter();
  /** Of this second; emptied by the first of the next one. */
  readonly #byAddress = new Map<string, number>();

  constructor(
    limits: Pick<
      Limits,
      "acceptsPerSecond" | "connections" | "unauthenticatedConnectionsPerAddress"
    >,
    ports: AcceptPorts,
  ) {
    this.#ports = ports;
    this.#maxPerSecond = limits.acceptsPerSecond;
    this.#maxOfAddress = Math.max(
      this.#maxPerSecond * shareOfAddress,
      limits.unauthenticatedConnectionsPerAddress,
    );
    this.#most =
      limits.connections === "auto"
        ? Math.floor((ports.openFiles ?? Number.POSITIVE_INFINITY) * shareOfFiles)
        : limits.connections;
  }

  /**
   * Null: there is room. Costs no more than a look, so that a flood is refused for next to nothing.
   */
  refusal(address: string): UpgradeRefusal | null {
    const { clock, connections, overload } = this.#ports;
    const { limit } = overload;
    if (limit !== undefined)
      return {
        status: 503,
        message: "the server has more to do than it can",
        retryAfter: 5,
        limit,
      };
    if (connections.size >= this.#most) {
      return {
        status: 503,
        message: "the server has as many connections as it can take",
        retryAfter: 5,
        limit: "connections",
      };
    }
    const accepted = this.#accepted.at(clock.monotonic());
    if (accepted >= this.#maxPerSecond)
      return {
        status: 503,
        message: "too many connections in this second",
        retryAfter: 1,
        limit: "acceptsPerSecond",
      };
    if (
      accepted >= this.#maxOfAddress &&
      (this.#byAddress.get(prefixOf(address)) ?? 0) >= this.#maxOfAddress
    )
      return {
        status: 429,
        message: "too many connections of your address in this second",
        retryAfter: 1,
        limit: "acceptsPerSecond",
      };
    return null;
  }

  /** One was accepted; what is refused for another reason takes nobody's place. */
  accepted(address: string): void {
    const now = this.#ports.clock.monotonic();
    if (this.#accepted.at(now) === 0) this.#byAddress.clear();
    this.#accepted.add(now);
    if (this.#maxOfAddress === Number.POSITIVE_INFINITY) return;
    const prefix = prefixOf(address);
    this.#byAddress.set(prefix, (this.#byAddress.get(prefix) ?? 0) + 1);
  }
}

const second = 1_000;

/** Counts what happens in one second; the next one begins with what comes after it. */
export class FixedWindowCounter {
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** How many there were in the second of `now` (monotonic, ms). */
  at(now: number): number {
    return now - this.#since < second ? this.#count : 0;
  }

  add(now: number): void {
    if (now - this.#since >= second) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count++;
  }
}
