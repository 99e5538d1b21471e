import { v4 as randomId } from "uuid";
import type { Bus } from "../../pubsub/bus.js";
import type { HistoryLog } from "../../pubsub/history-log.js";
import { LocalBus } from "../../pubsub/local-bus.js";
import { LoggedBus } from "../../pubsub/logged-bus.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { RateCounters } from "../../store/store.js";
import { NodeMessages } from "./node-messages.js";
import { NodeQueries } from "./node-queries.js";

/** This node among those that share its store. */
export interface Nodes {
  /** This node's name: another one after each start. */
  readonly node: string;
  /** Absent: the store joins nobody. */
  readonly messages?: NodeMessages;
  readonly queries?: NodeQueries;
  close(): void;
}

/**
 * The bus of a node that is alone. Its histories outlive the process if one of the stores keeps
 * them, and there are any.
 */
export function ownBus(
  stores: readonly (object | undefined)[],
  keepsHistory: boolean,
  clock: Clock,
  log: Logger,
): LocalBus | LoggedBus {
  const histories = stores
    .map((store) => (store as { readonly history?: HistoryLog } | undefined)?.history)
    .find((history) => history !== undefined);
  const monotonic = () => clock.monotonic();
  if (histories === undefined || !keepsHistory) return new LocalBus(randomId(), monotonic);
  return new LoggedBus(histories, {
    ...{ monotonic, now: () => clock.now(), newEpoch: randomId },
    opened(opened) {
      if ("inUse" in opened)
        log.warn(
          { event: "history.in_memory", holder: opened.inUse },
          "histories of topics are kept in memory: another server has their file",
        );
      else if (opened.renewed !== undefined)
        log.warn(
          { event: "history.renew", detail: opened.renewed },
          "histories of topics begin anew",
        );
    },
    failed: (err) =>
      log.error({ event: "history.fail", err }, "a history's file can't be read or written"),
  });
}

/** The first bus that one of the stores has. */
export function busOf(stores: readonly (object | undefined)[]): Bus | undefined {
  return stores
    .map((store) => (store as { readonly bus?: Bus } | undefined)?.bus)
    .find((bus) => bus !== undefined);
}

/**
 * The counters of the store that has that bus: they count for all nodes. Undefined: none of the
 * stores joins nodes.
 */
export function sharedRatesOf(stores: readonly (object | undefined)[]): RateCounters | undefined {
  const candidates = stores as readonly (
    | { readonly bus?: Bus; readonly rates?: RateCounters }
    | undefined
  )[];
  return candidates.find((store) => store?.bus !== undefined)?.rates;
}

export function joinNodes(bus: Bus | undefined, clock: Clock, log: Logger): Nodes {
  const node = randomId();
  if (bus === undefined) return { node, close: () => {} };
  const messages = new NodeMessages(node, bus, log);
  const queries = new NodeQueries(messages, clock, log);
  const close = () => {
    queries.close();
    messages.close();
  };
  return { node, messages, queries, close };
}
