/** Builds the parts of a server, each of those that it needs. */
import type { IncomingMessage } from "node:http";
import { v4 as randomId } from "uuid";
import { createFetchDocument } from "../auth/keys/fetch-document.js";
import { LocalBus } from "../pubsub/local-bus.js";
import { LoggedBus } from "../pubsub/logged-bus.js";
import { FlushQueue } from "../pubsub/outbox.js";
import { Topics } from "../pubsub/topics.js";
import type { Router } from "../rpc/define/create-rpc.js";
import { OpenRpc } from "../rpc/define/openrpc.js";
import { checkNotifications, createRegistry } from "../rpc/define/registry.js";
import type { ServerActions, SubscriptionSelector } from "../rpc/define/server-actions.js";
import { isTopicLog } from "../rpc/define/subscription-entry.js";
import { Dispatcher } from "../rpc/dispatch/dispatcher.js";
import { withTimeout } from "../runtime/application-code.js";
import { type Clock, clockWithErrorHandling, every, systemClock } from "../runtime/clock.js";
import { type Logger, unfailing } from "../runtime/logger.js";
import { RateLimitedLog } from "../runtime/rate-limited-log.js";
import type { Store } from "../store/store.js";
import { AcceptLimits } from "./admission/accept-limits.js";
import { AddressCounters } from "./admission/address-counters.js";
import { AuthRateLimiter } from "./admission/auth-rate-limiter.js";
import { clientAddress, type TrustedProxies, trustedProxies } from "./admission/client-address.js";
import { MachineGauge, openFilesLimit } from "./admission/load-gauge.js";
import { OriginList } from "./admission/origin-list.js";
import { Overload } from "./admission/overload.js";
import { UpgradeChecks } from "./admission/upgrade-checks.js";
import { UpgradeHandler } from "./admission/upgrade-handler.js";
import { createWebSocketServer } from "./admission/web-socket-server.js";
import { adminMethods } from "./cluster/admin-methods.js";
import { busOf, joinNodes, ownBus, sharedRatesOf } from "./cluster/cluster.js";
import { Publisher } from "./cluster/publisher.js";
import { Reauthorization } from "./cluster/reauthorization.js";
import { Revocations } from "./cluster/revocations.js";
import { Administration } from "./cluster/session-admin.js";
import { builtinsWith } from "./connection/builtins.js";
import type { ConnectionServices } from "./connection/connection.js";
import { SlowMessageWatch } from "./connection/frames/slow-message-watch.js";
import { Snapshots } from "./connection/snapshots.js";
import { SubscriptionRights } from "./connection/subscription-rights.js";
import { BearerTokens } from "./http/bearer.js";
import { ConsolePage } from "./http/console-page.js";
import { HttpRoutes } from "./http/http-routes.js";
import { Readiness } from "./http/readiness.js";
import { UpgradeInfo } from "./http/upgrade-info.js";
import { ConnectionRegistry } from "./lifecycle/connection-registry.js";
import { Heartbeat } from "./lifecycle/heartbeat.js";
import { Hooks } from "./lifecycle/hooks.js";
import { Shutdown } from "./lifecycle/shutdown.js";
import { type Limits, resolveLimits } from "./limits.js";
import { Observability } from "./metrics/observability.js";
import { ScopeAdvice, scopesOf } from "./scope-advice.js";
import { isProduction, type ServerOptions } from "./server-options.js";
import { jsonLogger } from "./telemetry/json-logger.js";
import {
  type AuthOption,
  checkTokenLength,
  embeddedIn,
  longestLifetime,
  longestToken,
  TokenAuthority,
} from "./token-authority.js";

type App = Router<unknown>;

const sweepInterval = 60_000; // 1 min
const historyTimeout = 5_000; // 5 s

/** What the public class uses. */
export interface ServerParts {
  readonly limits: Limits;
  /** Of the server's own lines, most of which peers can cause. */
  readonly log: Logger;
  /** Path of the WebSocket. */
  readonly path: string;
  readonly isTrusted: TrustedProxies;
  readonly observability: Observability;
  readonly readiness: Readiness;
  readonly connections: ConnectionRegistry;
  readonly revocations: Revocations;
  readonly administration: Administration;
  readonly publisher: Publisher;
  readonly reauthorization: Reauthorization;
  readonly overload: Overload;
  readonly slowMessages: SlowMessageWatch;
  readonly upgrades: UpgradeHandler;
  readonly routes: HttpRoutes;
  readonly bearer: BearerTokens;
  /** The peer's address, seen through trusted proxies. */
  readonly addressOf: (request: IncomingMessage) => string;
  /** Hides from callers why a token was refused. */
  readonly isProduction: boolean;
  readonly shutdown: Shutdown;
  /** What all connections share. */
  readonly services: ConnectionServices;
  /**
   * Stops whatever runs, once no connection is left. Resolves when what was published is written.
   */
  close(): Promise<void>;
}

/** Throws `TypeError` for an option that cannot be used. */
export function assemble(app: App, options: ServerOptions): ServerParts {
  const { gauge = new MachineGauge() } = options.testing ?? {};
  const ground = groundOf(app, options);
  const { limits, clock, log, path, observability } = ground;
  const authority = authorityOf(app, options, ground, () => revocations.whenCurrent());
  const stores = [options.store, ...authority.issuers.map(({ store }) => store)];
  const admission = admissionOf(options, ground, stores);
  const { addresses, upgradeChecks, authRate, isTrusted, origins } = admission;
  const hooks = new Hooks(options.hooks ?? {}, {
    ...{ log, applicationLog: ground.applicationLog, timers: clock },
    actions: () => rpc.actions,
  });
  const { heartbeat, connections } = connectionsOf(hooks, ground, admission);
  const revocations = revocationsOf(options, ground, authority, connections);
  const overload = new Overload(limits, { clock, gauge, log, connections });
  const readiness = new Readiness(revocations, authority, overload);
  const rpc = rpcOf(app, options, ground, { connections, revocations, stores });
  const addressOf = (request: IncomingMessage) =>
    clientAddress(request, isTrusted, (header) => observability.unreadableHop(header));
  const webSockets = createWebSocketServer(limits, options.compression === true);
  const services: ConnectionServices = {
    ...{ clock, authority, authRate, limits, log },
    dispatcher: rpc.dispatcher,
    flushQueue: new FlushQueue(),
    revocations: revocations.list,
    topics: { topics: rpc.topics, bus: rpc.bus },
    rights: rpc.rights,
    snapshots: rpc.snapshots,
    hooks,
    actions: rpc.actions,
    notifications: app.notifications,
    applicationLog: ground.applicationLog,
    telemetry: observability.telemetry,
    compression: options.compression === true,
  };
  const upgrades = new UpgradeHandler({
    ...{ path, addressOf, readiness, webSockets, connections, observability },
    acceptLimits: new AcceptLimits(limits, {
      ...{ clock, connections, overload },
      openFiles: openFilesLimit(),
    }),
    checks: upgradeChecks,
    services,
  });
  const { issuers } = authority;
  const bearer = new BearerTokens({
    ...{ authority, addresses, upgradeChecks, authRate, log },
    revocations: revocations.list,
  });
  const routes = new HttpRoutes({
    ...{ bearer, readiness, issuers, origins },
    ...{ log, addressOf, openRpc: rpc.openRpc, discover: discoveryOf(options) },
    upgradeInfo: new UpgradeInfo({
      ...{ upgrades, origins, addressOf, isProduction: isProduction(options) },
    }),
    console: options.console === true ? new ConsolePage({ path, origins, issuers }) : undefined,
  });
  observability.measure({
    members: () => connections.members(),
    rememberedRevocations: () => revocations.list.size,
    store: readiness,
    issuers,
    isOverloaded: (limit) => overload.isOver(limit),
  });
  const slowMessages = new SlowMessageWatch(clock, limits.frameTimeout, connections);
  const stopSweeping = every(clock, sweepInterval, () => {
    addresses.sweep();
    revocations.sweep();
    rpc.sweep();
  });
  return {
    ...{ limits, log, path, isTrusted, observability, readiness, connections, revocations },
    ...{ overload, slowMessages, upgrades, routes, bearer, addressOf, services },
    isProduction: authority.production,
    administration: rpc.administration,
    publisher: rpc.publisher,
    reauthorization: rpc.reauthorization,
    shutdown: new Shutdown(connections, clock),
    async close() {
      observability.close();
      overload.stop();
      slowMessages.stop();
      heartbeat.stop();
      hooks.close();
      revocations.close();
      stopSweeping();
      webSockets.close();
      await rpc.close();
    },
  };
}

/** A disk that hangs does not keep the server from closing. */
async function closeHistory(bus: LoggedBus, clock: Clock, log: Logger): Promise<void> {
  try {
    await withTimeout(bus.close(), historyTimeout, clock, "closing the history of the store");
  } catch (err) {
    log.error({ event: "history.fail", err }, "a history could not be closed in order");
  }
}

type Stores = readonly (Partial<Store> | undefined)[];
type Ground = ReturnType<typeof groundOf>;
type Admission = ReturnType<typeof admissionOf>;

/** What needs nothing but the options. */
function groundOf(app: App, options: ServerOptions) {
  const limits = resolveLimits(options.limits);
  const machineClock = options.testing?.clock ?? systemClock;
  const applicationLog = unfailing(options.logger ?? jsonLogger());
  const log: Logger = new RateLimitedLog(applicationLog, machineClock);
  const clock: Clock = clockWithErrorHandling(machineClock, log);
  const path = options.path ?? "/rpc";
  if (!path.startsWith("/")) throw new TypeError(`path must begin with "/", not be "${path}"`);
  checkNotifications(app.notifications);
  const observability = new Observability(options, clock, log);
  return { limits, clock, log, applicationLog, path, observability };
}

function authorityOf(
  app: App,
  options: ServerOptions,
  { limits, clock, observability }: Ground,
  whenReady: () => Promise<void>,
): TokenAuthority {
  const providers = providersOf(options);
  checkTokenLength(providers, limits.openFrameBytes);
  const advice = new ScopeAdvice(scopesOf(app), embeddedIn(providers), (found) =>
    observability.scopesUnknown(found),
  );
  return new TokenAuthority(providers, app.claims, options.identityClaims ?? [], {
    ...{ clock, whenReady },
    fetchDocument: createFetchDocument(),
    production: isProduction(options),
    onKeyFailure: (issuer, detail) => observability.keysFailed(issuer, detail),
    onUnusedKey: (issuer, key) => observability.keyUnused(issuer, key),
    onAccepted: (token, rules) => advice.accepted(token, rules),
    onLookupFailure: (issuer, detail) => observability.lookupFailed(issuer, detail),
    onVerifyFailure: (issuer, detail) => observability.verifyFailed(issuer, detail),
    maxTokenLength: longestToken(limits.openFrameBytes),
  });
}

function providersOf({ auth }: ServerOptions): readonly AuthOption[] {
  return [auth].flat() as readonly AuthOption[];
}

function discoveryOf({ discover = "authenticated" }: ServerOptions) {
  return discover;
}

/** What is known of addresses and origins, by which peers are let in. */
function admissionOf(
  options: ServerOptions,
  { limits, clock, observability }: Ground,
  stores: Stores,
) {
  const isTrusted = trustedProxies(options.trustProxy ?? []);
  const origins = new OriginList(options.origins, isTrusted);
  const addresses = new AddressCounters(
    clock,
    limits.authFailuresPerAddress < Number.POSITIVE_INFINITY ? sharedRatesOf(stores) : undefined,
  );
  return {
    ...{ origins, addresses, isTrusted },
    upgradeChecks: new UpgradeChecks(origins, addresses, limits),
    authRate: new AuthRateLimiter(clock, limits.authCallsPerAddress, (address) =>
      observability.limitHit("authCallsPerAddress", address),
    ),
  };
}

function connectionsOf(
  hooks: Hooks,
  { limits, clock, observability: { telemetry } }: Ground,
  { addresses, upgradeChecks }: Admission,
) {
  const heartbeat = new Heartbeat(clock, limits.pingInterval, limits.pongTimeout, () =>
    telemetry.limitHit("pongTimeout"),
  );
  const connections = new ConnectionRegistry(
    addresses,
    heartbeat,
    hooks,
    telemetry,
    clock,
    limits.connectionsPerSubject,
    upgradeChecks,
  );
  return { heartbeat, connections };
}

function revocationsOf(
  options: ServerOptions,
  { clock, observability }: Ground,
  { issuers }: TokenAuthority,
  connections: ConnectionRegistry,
): Revocations {
  const stores =
    options.store === undefined ? [...new Set(issuers.map(({ store }) => store))] : [options.store];
  return new Revocations({
    ...{ clock, issuers },
    stores: stores.map(({ revocations }) => ({
      revocations: observability.revocations(revocations),
    })),
    longestLifetime: longestLifetime(providersOf(options)),
    onChange: (announcedAt) => connections.revoked(announcedAt),
  });
}

/** What is called and published: methods, topics, and the other nodes. */
function rpcOf(
  app: App,
  options: ServerOptions,
  { limits, clock, log, applicationLog, observability }: Ground,
  parts: {
    readonly connections: ConnectionRegistry;
    readonly revocations: Revocations;
    readonly stores: Stores;
  },
) {
  const { connections, revocations } = parts;
  const given = busOf(parts.stores);
  const shared = given === undefined ? undefined : observability.bus(given);
  const nodes = joinNodes(shared, clock, log);
  const administration = new Administration(connections, nodes.node, applicationLog, nodes.queries);
  const { admin } = options;
  const own = admin === undefined ? [] : adminMethods(admin, administration, revocations);
  const registry = createRegistry(app, own);
  const openRpc = new OpenRpc(registry, options.info);
  const dispatcher = new Dispatcher(registry, builtinsWith(openRpc, discoveryOf(options)), limits, {
    timers: clock,
    newErrorId: randomId,
    observer: observability.calls,
    onLimit: (limit) => observability.telemetry.limitHit(limit),
  });
  const topics = new Topics((error) =>
    log.error(
      { event: "push.fail", err: error },
      "an event could not be delivered to a connection",
    ),
  );
  const keepsHistory = [...registry.values()].some(
    ({ feed }) => feed?.is === "topic" && feed.history !== undefined && !isTopicLog(feed.history),
  );
  const bus = shared ?? ownBus(parts.stores, keepsHistory, clock, log);
  const publisher = new Publisher({
    ...{ registry, bus, topics, connections },
    notifications: app.notifications,
    messages: nodes.messages,
    maxBytes: limits.responseBytes,
  });
  const rights = new SubscriptionRights(clock);
  const snapshots = new Snapshots({ clock, limits, topics, log, newErrorId: randomId });
  const reauthorization = new Reauthorization({
    ...{ registry, bus, connections, rights, clock, log },
    queries: nodes.queries,
  });
  const actions: ServerActions = {
    publish: (topic, params, event, ...options) =>
      publisher.publish(topic, params, event, ...options),
    notify: (target, name, params) => publisher.notify(target, name, params),
    reauthorize: (selector) =>
      reauthorization.reauthorize(selector as SubscriptionSelector | "all"),
    revoke: (selector, options) => revocations.revoke(selector, options),
  };
  return {
    ...{ administration, openRpc, dispatcher, topics, bus, publisher, rights, reauthorization },
    ...{ actions, snapshots },
    sweep() {
      if (bus instanceof LocalBus || bus instanceof LoggedBus) bus.sweep();
    },
    async close() {
      dispatcher.close();
      reauthorization.close();
      rights.close();
      snapshots.close();
      nodes.close();
      publisher.close();
      if (bus instanceof LoggedBus) await closeHistory(bus, clock, log);
    },
  };
}
