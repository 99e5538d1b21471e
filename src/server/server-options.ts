import type { NotificationSchemas } from "../rpc/define/server-actions.js";
import { checkLogger } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";
import { type Logger, logLevels } from "../runtime/logger.js";
import type { Store } from "../store/store.js";
import type { LoadGauge } from "./admission/load-gauge.js";
import type { HookOptions } from "./lifecycle/hooks.js";
import type { Limits } from "./limits.js";
import type { MetricsOptions } from "./metrics/metrics.js";
import type { AuthOption } from "./token-authority.js";

/** Options of `createServer`. */
export interface ServerOptions<Notifications extends NotificationSchemas = NotificationSchemas> {
  /**
   * The issuer, or issuers, whose tokens the server accepts. An embedded issuer (`createIssuer`)
   * also serves its endpoints here. A function is asked for issuers that are not in the list, and
   * `{ verify }` for all tokens that none of these has issued.
   */
  readonly auth: AuthOption | readonly AuthOption[];
  /**
   * Browser origins that may connect.
   * @default the same host and port as the `Host` header
   */
  readonly origins?: readonly string[];
  /**
   * Names of claims that a refresh may not change, such as `org_id` or `tenant`. With issuer,
   * subject and client they identify the owner of a session. The server compares the claims as the
   * token has them; an absent claim must stay absent.
   * @default none
   */
  readonly identityClaims?: readonly string[];
  /**
   * Path of the WebSocket.
   * @default `/rpc`
   */
  readonly path?: string;
  /**
   * Access to `rpc.discover` and `/openrpc.json`.
   * @default `authenticated`
   */
  readonly discover?: "authenticated" | "public" | false;
  /**
   * The scope that callers of `rpc.sessions.list`, `kick` and `revoke` need.
   * @default none; these methods do not exist
   */
  readonly admin?: string;
  /**
   * Serves a page at `/console` on which people can log in, call methods and watch their session.
   * @default false
   */
  readonly console?: boolean;
  /**
   * Name and version in the OpenRPC document.
   * @default `jotwire application`, `0.0.0`
   */
  readonly info?: { readonly title?: string; readonly version?: string };
  /**
   * Receives the server's log lines.
   * @default JSON lines on standard error, from level info up
   */
  readonly logger?: Logger;
  /**
   * Addresses and CIDR ranges of the proxies whose `X-Forwarded-For` the server trusts, or without
   * it `Forwarded`; `loopback` stands for this machine, `unix` for a Unix domain socket.
   * @default none
   */
  readonly trustProxy?: readonly string[];
  /**
   * Callbacks at the beginning and end of connections, sessions and subscriptions.
   * @default none
   */
  readonly hooks?: HookOptions<Notifications>;
  /** Limits of the server, each with its own default. */
  readonly limits?: Partial<Limits>;
  /**
   * Hides from callers the reason for which a token was refused.
   * @default `NODE_ENV === "production"`
   */
  readonly production?: boolean;
  /**
   * Collects metrics and serves them at `/metrics`, on a port of their own, once the server
   * listens.
   * @default none
   */
  readonly metrics?: MetricsOptions;
  /**
   * Records a span for each call with `@opentelemetry/api`, if that package is installed.
   * @default false
   */
  readonly tracing?: boolean;
  /**
   * Store of the revocations, and with `fileStore` or `redisStore` of the histories of topics.
   * @default the embedded issuer's store, else memory
   */
  readonly store?: Store;
  /**
   * Serves `https` and `wss` with this PEM certificate, with TLS 1.2 or later.
   * @default none
   */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /**
   * Allows listening without TLS on an address other than loopback when `trustProxy` names no proxy
   * that terminates TLS.
   * @default false
   */
  readonly allowInsecure?: boolean;
  /**
   * Enables permessage-deflate (RFC 7692) for frames of 1 KiB or more, without context takeover.
   * @default false
   */
  readonly compression?: boolean;
  /** Seams for tests; never set them in production. */
  readonly testing?: ServerTesting;
}

/** What a test may replace: the clock and the load gauge. */
export interface ServerTesting {
  /**
   * Clock of the server.
   * @default the machine's clocks
   */
  readonly clock?: Clock;
  /**
   * Load of the process, which `limits.loopDelay` and `limits.heapPercent` compare.
   * @default the machine's figures
   */
  readonly gauge?: LoadGauge;
}

const serverOptions = {
  ...{
    auth: true,
    origins: true,
    path: true,
    discover: true,
    admin: true,
    console: true,
    info: true,
    logger: true,
  },
  ...{
    trustProxy: true,
    hooks: true,
    limits: true,
    production: true,
    metrics: true,
    tracing: true,
    store: true,
    tls: true,
  },
  ...{ allowInsecure: true, identityClaims: true, compression: true, testing: true },
} satisfies Record<keyof ServerOptions, true>;
const testingOptions = { clock: true, gauge: true } satisfies Record<keyof ServerTesting, true>;
const hookOptions = {
  ...{ connected: true, authenticated: true, refreshed: true },
  ...{ subscribed: true, unsubscribed: true, closed: true },
} satisfies Record<keyof HookOptions, true>;
const metricsOptions = { port: true, host: true, registry: true } satisfies Record<
  keyof MetricsOptions,
  true
>;

/**
 * Throws `TypeError` for an unknown option. `resolveLimits` checks `limits`, and the token
 * authority checks `auth`.
 */
export function checkServerOptions(options: ServerOptions): void {
  refuseUnknownOptions("createServer", options, serverOptions);
  refuseUnknownOptions("hooks", options.hooks ?? {}, hookOptions);
  refuseUnknownOptions("metrics", options.metrics ?? {}, metricsOptions);
  refuseUnknownOptions("testing", options.testing ?? {}, testingOptions);
  if (options.logger !== undefined) checkLogger(options.logger, logLevels);
  checkIdentityClaims(options.identityClaims ?? []);
}

/** Whether callers learn no reasons. */
export function isProduction({ production }: Pick<ServerOptions, "production">): boolean {
  return production ?? process.env.NODE_ENV === "production";
}

/** Claims that differ in every token (RFC 7519 §4.1), so no refresh could keep them. */
const claimsOfOneToken = ["exp", "iat", "nbf", "jti"];

function checkIdentityClaims(names: unknown): void {
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string" && name !== ""))
    throw new TypeError(
      `identityClaims must be a list of claim names such as ["org_id"], not ${JSON.stringify(names)}`,
    );
  const changing = claimsOfOneToken.find((name) => names.includes(name));
  if (changing !== undefined)
    throw new TypeError(
      `identityClaims: ${changing} differs in every token, so no refresh could succeed; leave it out`,
    );
}

/** Result of `server.listen`: the address on which the server listens. */
export interface Listening {
  /** The port on which the server listens. */
  readonly port: number;
  /** The address on which the server listens. */
  readonly host: string;
  /** URL of the WebSocket. */
  readonly url: string;
  /** The port of `/metrics`, if it has one of its own. */
  readonly metricsPort?: number;
}
