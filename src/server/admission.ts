/** Whether the server as a whole can take one more connection, whoever it is that asks. */
import type { Clock } from "../auth/clock.js";
import type { Limits } from "./limits.js";
import type { OverloadLimit } from "./overload.js";
import { SecondCount } from "./second-count.js";
import type { UpgradeRefusal } from "./upgrade-guard.js";

const shareOfFiles = 0.8; // the rest is for stores, keys, HTTP requests and what the application opens

export interface AdmissionPorts {
  readonly clock: Clock;
  /** How many connections there are. */
  readonly connections: () => number;
  /** How many files the process may open; undefined: no limit is known. */
  readonly openFiles: number | undefined;
  /** The limit by which the process has more to do than it can; undefined: none. */
  readonly overload: () => OverloadLimit | undefined;
}

export class Admission {
  readonly #ports: AdmissionPorts;
  readonly #mostPerSecond: number;
  readonly #most: number;
  readonly #accepted = new SecondCount();

  constructor({ acceptsPerSecond, connections }: Pick<Limits, "acceptsPerSecond" | "connections">, ports: AdmissionPorts) {
    this.#ports = ports;
    this.#mostPerSecond = acceptsPerSecond > 0 ? acceptsPerSecond : Number.POSITIVE_INFINITY;
    this.#most = connections > 0 ? connections : Math.floor((ports.openFiles ?? Number.POSITIVE_INFINITY) * shareOfFiles);
  }

  /** Null: there is room. Costs no more than a look, so that a flood is refused for next to nothing. */
  refusal(): UpgradeRefusal | null {
    const { clock, connections, overload } = this.#ports;
    const limit = overload();
    if (limit !== undefined) return { status: 503, message: "the server has more to do than it can", retryAfter: 5, limit };
    if (connections() >= this.#most) {
      return { status: 503, message: "the server has as many connections as it can take", retryAfter: 5, limit: "connections" };
    }
    if (this.#accepted.at(clock.monotonic()) >= this.#mostPerSecond) {
      return { status: 503, message: "too many connections in this second", retryAfter: 1, limit: "acceptsPerSecond" };
    }
    return null;
  }

  /** One was accepted; what is refused for another reason takes nobody's place. */
  accepted(): void {
    this.#accepted.add(this.#ports.clock.monotonic());
  }
}
