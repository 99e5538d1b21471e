/**
 * The metrics of one server: names, help texts and sources. Every label has a bounded set of
 * values.
 */
import type { IssuerCounts } from "../../auth/issuer-port.js";
import { type OverloadLimit, overloadLimits } from "../admission/overload.js";
import type { Readiness } from "../http/readiness.js";
import type { ConnectionEntry } from "../lifecycle/connection-registry.js";
import { defaultLimits, type Limits } from "../limits.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { EventLoopDelay } from "./event-loop-delay.js";
import {
  counter,
  gauge,
  histogramFamily,
  histogramSamples,
  type MetricFamily,
  plain,
  type Sample,
} from "./metric-family.js";

export interface MetricSources {
  readonly telemetry: Telemetry;
  readonly members: () => readonly Readonly<ConnectionEntry>[];
  readonly rememberedRevocations: () => number;
  readonly store: Pick<Readiness, "wasStoreThere" | "isStoreThere">;
  readonly issuers: readonly { readonly counts?: IssuerCounts }[];
  readonly eventLoop: EventLoopDelay;
  /** Returns whether this limit makes the server refuse new connections. */
  readonly isOverloaded: (limit: OverloadLimit) => boolean;
}

/** Every limit has a sample, 0 if it was never hit, so that alerts find the series. */
const limitNames = Object.keys(defaultLimits) as readonly (keyof Limits)[];

export function serverMetrics(sources: MetricSources): readonly MetricFamily[] {
  return [
    ...callMetrics(sources),
    ...connectionMetrics(sources),
    ...authMetrics(sources),
    ...storeMetrics(sources),
    ...processMetrics(sources),
  ];
}

function callMetrics({ telemetry, issuers }: MetricSources): readonly MetricFamily[] {
  return [
    histogramFamily(
      "rpc_server_call_duration_seconds",
      "Time from a request to its answer. rpc_status_code: OK, an error's code, or none for a notification",
      () =>
        [...telemetry.calls].flatMap(({ method, status, errorType, histogram }) =>
          histogramSamples(
            {
              ...{ rpc_system_name: "jsonrpc", rpc_method: method, rpc_status_code: status },
              ...(errorType === undefined ? {} : { error_type: errorType }),
            },
            histogram,
          ),
        ),
    ),
    counter(
      "jotwire_pushes_total",
      "Notifications and events, by outcome: sent, held for an expired session, dropped, overflowed (held, then dropped because there were too many)",
      () => outcomes({ ...telemetry.pushes }),
    ),
    counter(
      "jotwire_slow_readers_total",
      "Slow consumers, by outcome: gap (events dropped and reported), ended (the subscription), closed (the connection, 1013)",
      () =>
        outcomes({
          ...telemetry.slowReaders,
          closed: new Map(telemetry.limits).get("sendBufferHardBytes") ?? 0,
        }),
    ),
    counter(
      "jotwire_limit_hits_total",
      "Requests and connections refused, cut or closed because of a limit, by the limit's option",
      () => {
        const hits = new Map(telemetry.limits);
        const own = limitNames.map((limit) => ({ labels: { limit }, value: hits.get(limit) ?? 0 }));
        return [
          ...own,
          {
            labels: { limit: "failedLoginsPerAddress" },
            value: issued(issuers, ({ limitedLogins }) => limitedLogins),
          },
          {
            labels: { limit: "tokensPerSubject" },
            value: issued(issuers, ({ limitedTokens }) => limitedTokens),
          },
        ];
      },
    ),
  ];
}

function connectionMetrics({ telemetry, members }: MetricSources): readonly MetricFamily[] {
  const sum = (pick: (load: ConnectionEntry["connection"]["load"]) => number) => () =>
    plain(members().reduce((total, { connection }) => total + pick(connection.load), 0));
  return [
    gauge("jotwire_connections", "Open connections, by the state of their session", () =>
      connectionsByState(members()),
    ),
    counter("jotwire_connections_opened_total", "Accepted connections", () =>
      plain(telemetry.opened),
    ),
    counter("jotwire_connections_closed_total", "Closed connections, by close code", () =>
      samplesBy("code", telemetry.closes),
    ),
    counter("jotwire_upgrades_refused_total", "Refused upgrades, by HTTP status", () =>
      samplesBy("status", telemetry.refusedUpgrades),
    ),
    gauge(
      "jotwire_calls_in_flight",
      "Requests whose handlers are pending",
      sum(({ inFlight }) => inFlight),
    ),
    gauge(
      "jotwire_subscriptions",
      "Subscriptions of all connections",
      sum(({ subscriptions }) => subscriptions),
    ),
    gauge(
      "jotwire_send_buffer_bytes",
      "Bytes waiting for peers to read them",
      sum(({ bufferedBytes }) => bufferedBytes),
    ),
  ];
}

function authMetrics({
  telemetry,
  issuers,
  rememberedRevocations,
}: MetricSources): readonly MetricFamily[] {
  const grants = () => [
    {
      labels: { grant: "login", outcome: "granted" },
      value: issued(issuers, ({ logins }) => logins),
    },
    {
      labels: { grant: "login", outcome: "refused" },
      value: issued(issuers, ({ refusedLogins }) => refusedLogins),
    },
    {
      labels: { grant: "refresh", outcome: "granted" },
      value: issued(issuers, ({ refreshes }) => refreshes),
    },
    {
      labels: { grant: "refresh", outcome: "refused" },
      value: issued(issuers, ({ refusedRefreshes }) => refusedRefreshes),
    },
  ];
  return [
    counter(
      "jotwire_auth_calls_total",
      "authenticate, refresh and logout, by outcome: ok, or the reason of the error",
      () =>
        Array.from(telemetry.authCalls, ([key, value]) => {
          const [method = "", outcome = ""] = key.split(" ");
          return { labels: { method, outcome }, value };
        }),
    ),
    counter(
      "jotwire_issuer_grants_total",
      "Logins and refreshes at the embedded issuer, by outcome",
      grants,
    ),
    counter(
      "jotwire_refresh_reuse_total",
      "Refresh tokens presented again: taken as stolen, and their sessions ended",
      () => plain(issued(issuers, ({ reuses }) => reuses)),
    ),
    counter("jotwire_revocations_total", "Revocations that have taken effect on this node", () =>
      plain(telemetry.revocations),
    ),
    gauge("jotwire_revocations_remembered", "Revocations that tokens are checked against", () =>
      plain(rememberedRevocations()),
    ),
    histogramFamily(
      "jotwire_revocation_lag_seconds",
      "Time from the announcement of a revocation by another node, by the store's clock, to its effect here, by this node's",
      () => histogramSamples({}, telemetry.revocationLag),
    ),
    counter("jotwire_key_failures_total", "Failed attempts to fetch an issuer's keys", () =>
      plain(telemetry.keyFailures),
    ),
  ];
}

function storeMetrics({ telemetry, store }: MetricSources): readonly MetricFamily[] {
  const up = gauge(
    "jotwire_store_up",
    "1 if all revocations are known on this node; 0 if the store cannot be reached, so that no token is accepted",
    () => plain(store.wasStoreThere ? 1 : 0),
  );
  return [
    { ...up, prepare: () => store.isStoreThere() },
    histogramFamily(
      "jotwire_store_operation_duration_seconds",
      "Duration of store operations, including failed ones",
      () =>
        [...telemetry.store].flatMap(([operation, { histogram }]) =>
          histogram.count === 0 ? [] : histogramSamples({ operation }, histogram),
        ),
    ),
    counter("jotwire_store_failures_total", "Failed store operations", () =>
      Array.from(telemetry.store, ([operation, { failures }]) => ({
        labels: { operation },
        value: failures,
      })),
    ),
  ];
}

function issued(issuers: MetricSources["issuers"], pick: (counts: IssuerCounts) => number): number {
  return issuers.reduce(
    (total, { counts }) => total + (counts === undefined ? 0 : pick(counts)),
    0,
  );
}

function processMetrics({ eventLoop, isOverloaded }: MetricSources): readonly MetricFamily[] {
  return [
    gauge(
      "nodejs_eventloop_delay_p50_seconds",
      "Median delay of the event loop since the last scrape",
      () => plain(eventLoop.read().p50),
    ),
    gauge(
      "nodejs_eventloop_delay_p99_seconds",
      "99th percentile of the event loop's delay since the last scrape",
      () => plain(eventLoop.read().p99),
    ),
    gauge(
      "nodejs_eventloop_delay_max_seconds",
      "Longest delay of the event loop since the last scrape",
      () => plain(eventLoop.read().max),
    ),
    gauge("jotwire_overloaded", "1 while the process is overloaded, by the exceeded limit", () =>
      overloadLimits.map((limit) => ({ labels: { limit }, value: Number(isOverloaded(limit)) })),
    ),
    gauge("process_resident_memory_bytes", "Resident memory of the process", () =>
      plain(process.memoryUsage.rss()),
    ),
    gauge("process_start_time_seconds", "Start time of the process, in seconds since 1970", () =>
      plain(performance.timeOrigin / 1000),
    ),
  ];
}

function connectionsByState(members: readonly Readonly<ConnectionEntry>[]): Sample[] {
  const counts = { open: 0, active: 0, expired: 0 };
  for (const { connection } of members) counts[connection.whoami().state]++;
  return Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
}

function outcomes(counts: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value }));
}

function samplesBy(label: string, counts: Iterable<[string, number]>): Sample[] {
  return Array.from(counts, ([key, value]) => ({ labels: { [label]: key }, value }));
}
