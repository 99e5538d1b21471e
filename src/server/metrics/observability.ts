import type { IssuerPort, StoreObserver } from "../../auth/issuer-port.js";
import type { UnusedKey } from "../../auth/keys/key-policy.js";
import type { RevocationRecords } from "../../auth/revocation/revocation.js";
import type { Bus } from "../../pubsub/bus.js";
import { stopperOf } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { TimedStore } from "../../store/timed-store.js";
import type { UpgradeRefusal } from "../admission/upgrade-checks.js";
import type { Limits } from "../limits.js";
import type { UnknownScopes } from "../scope-advice.js";
import { isProduction, type ServerOptions } from "../server-options.js";
import { CallTelemetry } from "../telemetry/call-telemetry.js";
import { Telemetry } from "../telemetry/telemetry.js";
import { type CallTracer, loadTracer } from "../telemetry/tracing.js";
import { Metrics } from "./metrics.js";
import type { MetricSources } from "./server-metrics.js";

const maxRefusedOrigins = 100; // that the log warns of
const maxHeader = 200; // characters in the log

/** All by which a server can be watched. */
export class Observability {
  readonly telemetry = new Telemetry();
  readonly calls: CallTelemetry;
  readonly #options: Pick<ServerOptions, "metrics" | "tracing">;
  readonly #isProduction: boolean;
  readonly #refusedOrigins = new Set<string>();
  #hasConflict = false;
  readonly #log: Logger;
  /** Absent: nobody reads metrics, and the store is as it is. */
  readonly #store: TimedStore | undefined;
  readonly #stop: (() => void)[] = [];
  #metrics: Metrics | undefined;
  #tracer: CallTracer | undefined;

  constructor(
    options: Pick<ServerOptions, "metrics" | "tracing" | "production">,
    clock: Clock,
    log: Logger,
  ) {
    this.#options = options;
    this.#isProduction = isProduction(options);
    this.#log = log;
    const isMeasured = options.metrics !== undefined;
    this.calls = new CallTelemetry(
      clock,
      isMeasured ? this.telemetry.calls : undefined,
      () => this.#tracer,
    );
    this.#store = isMeasured ? new TimedStore(clock) : undefined;
    this.#watch(this.#store?.observe.bind(this.#store));
  }

  /** Something was refused to a peer because of a limit. A metric cannot say to which address. */
  limitHit(limit: keyof Limits, address: string): void {
    this.#warnOfLimit(limit, address);
    this.telemetry.limitHit(limit);
  }

  upgradeRefused(refusal: UpgradeRefusal, address: string, origin: string | undefined): void {
    const { status, limit, message } = refusal;
    this.#log.debug({ event: "upgrade.refuse", status, address, origin }, message);
    if (status === 403 && origin !== undefined) this.#tellRefusedOrigin(origin);
    if (limit !== undefined) this.#warnOfLimit(limit, address);
    this.telemetry.upgradeRefused(status, limit);
  }

  /** A trusted proxy's header names no address: all its clients count as one. */
  unreadableHop(header: string): void {
    this.#log.warn(
      { event: "proxy.unreadable", header: header.slice(0, maxHeader) },
      "a trusted proxy's header names no address, so the proxy's own one counts",
    );
  }

  /** Another listener of the HTTP server has answered an upgrade for this server's path. */
  upgradeConflict(path: string): void {
    if (this.#hasConflict) return;
    this.#hasConflict = true;
    this.#log.warn(
      { event: "upgrade.conflict", path },
      "another WebSocket server answers upgrades for this path: create it with noServer: true, and hand it only those of its own path",
    );
  }

  /** The keys of an issuer could not be fetched, or were refused. */
  keysFailed(issuer: string, detail: string): void {
    this.telemetry.keyFailures++;
    this.#log.warn({ event: "keys.fail", issuer, detail }, "the keys of an issuer can't be had");
  }

  /** A key of an issuer's set is passed over: tokens that it signed are refused. */
  keyUnused(issuer: string, { keyId, reason }: UnusedKey): void {
    this.#log.warn(
      { event: "keys.unused", issuer, kid: keyId, detail: reason },
      "a key of an issuer is not used",
    );
  }

  /** The first token of an issuer grants no scope that the application knows. */
  scopesUnknown(found: UnknownScopes): void {
    this.#log.warn({ event: "scopes.unknown", ...found }, "a token without a known scope");
  }

  /** The function that looks up issuers threw, hung, or returned what cannot be used. */
  lookupFailed(issuer: string, detail: string): void {
    this.#log.warn(
      { event: "issuer.lookup_failed", issuer: issuer.slice(0, maxHeader), detail },
      "the function auth failed for an issuer",
    );
  }

  /** The application's `verify` threw, hung, or returned what cannot be used. */
  verifyFailed(issuer: string, detail: string): void {
    this.#log.warn({ event: "verify.fail", issuer, detail }, "a token could not be verified");
  }

  /** Once for each origin, to the developer whose browser shows nothing but a failed connection. */
  #tellRefusedOrigin(origin: string): void {
    if (this.#isProduction || this.#refusedOrigins.size >= maxRefusedOrigins) return;
    if (this.#refusedOrigins.has(origin)) return;
    this.#refusedOrigins.add(origin);
    const shown = JSON.stringify(origin.slice(0, maxHeader));
    this.#log.warn(
      { event: "origin.refused", origin: origin.slice(0, maxHeader) },
      `pages of ${shown} may not connect; to allow them: origins: [${shown}]`,
    );
  }

  /** The store's revocations as this server uses them, its operations measured. */
  revocations(records: RevocationRecords): RevocationRecords {
    return this.#store?.revocations(records) ?? records;
  }

  /** The same of a store's bus. */
  bus(bus: Bus): Bus {
    return this.#store?.bus(bus) ?? bus;
  }

  /** From now on there are metrics, if there are to be any. */
  measure(
    sources: Omit<MetricSources, "eventLoop" | "telemetry"> & {
      readonly issuers: readonly IssuerPort[];
    },
  ): void {
    const { metrics } = this.#options;
    if (metrics === undefined) return;
    for (const issuer of sources.issuers) this.#watch(issuer.observeStore?.bind(issuer));
    this.#metrics = new Metrics(metrics, { telemetry: this.telemetry, ...sources });
  }

  /**
   * Loads what traces and opens the port of the metrics, which it returns. Rejects when that can't
   * be had.
   */
  async start(): Promise<number | undefined> {
    if (this.#options.tracing === true) {
      this.#tracer = await loadTracer(this.#log);
      if (this.#tracer === undefined)
        this.#log.warn({ event: "tracing" }, "nothing is traced: npm install @opentelemetry/api");
    }
    return this.#metrics?.listen();
  }

  /** Throws `TypeError` when there are no metrics. */
  text(): string {
    if (this.#metrics === undefined)
      throw new TypeError("metricsText: the server was made without the option metrics");
    return this.#metrics.text();
  }

  close(): void {
    for (const stop of this.#stop) stop();
    this.#metrics?.close();
  }

  #warnOfLimit(limit: keyof Limits, address: string): void {
    this.#log.warn(
      { event: "limit.hit", limit, address, before: 0 },
      `refused: over limits.${limit}`,
    );
  }

  /** Measures what somebody does at a store. */
  #watch(observe: ((observer: StoreObserver) => () => void) | undefined): void {
    if (observe === undefined) return;
    this.#stop.push(
      stopperOf(
        observe((...told) => this.telemetry.store.observe(...told)),
        "the issuer's observeStore",
      ),
    );
  }
}
