import type { NotificationSchemas } from "../rpc/define/create-rpc.js";
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
   * Whose tokens are accepted: one issuer, or several. An embedded issuer (`createIssuer`) also
   * serves its endpoints here.
   */
  readonly auth: AuthOption | readonly AuthOption[];
  /**
   * Browser origins that may connect.
   * @default the same host and port as the `Host` header
   */
  readonly origins?: readonly string[];
  /**
   * Names of claims that a refresh may not change, such as `org_id` or `tenant`: with issuer,
   * subject and client they say whose session it is. Compared as they stand in the token; a claim
   * that is absent must stay absent.
   * @default none
   */
  readonly identityClaims?: readonly string[];
  /**
   * Where the WebSocket is.
   * @default `/rpc`
   */
  readonly path?: string;
  /**
   * Who may ask for `rpc.discover` and `/openrpc.json`.
   * @default `authenticated`
   */
  readonly discover?: "authenticated" | "public" | false;
  /**
   * The scope that callers of `rpc.sessions.list`, `kick` and `revoke` need.
   * @default none, these methods do not exist
   */
  readonly admin?: string;
  /**
   * Serve a page at `/console` on which people can log in, call methods and watch their session.
   * @default false
   */
  readonly console?: boolean;
  /**
   * Name and version in the OpenRPC document.
   * @default `jotwire application`, `0.0.0`
   */
  readonly info?: { readonly title?: string; readonly version?: string };
  /**
   * Where the server's log lines go.
   * @default JSON lines on standard error, from level info up
   */
  readonly logger?: Logger;
  /**
   * Addresses and CIDR ranges of the proxies whose `X-Forwarded-For` is believed; `loopback` is
   * one.
   * @default none
   */
  readonly trustProxy?: readonly string[];
  /** Callbacks at the begin and end of connections and sessions. */
  readonly hooks?: HookOptions<Notifications>;
  /** Limits of the server, each with its own default. */
  readonly limits?: Partial<Limits>;
  /**
   * Hides from callers why a token was refused.
   * @default `NODE_ENV === "production"`
   */
  readonly production?: boolean;
  /**
   * Count and measure, and serve it at `/metrics` on a port of its own when the server listens.
   * @default none
   */
  readonly metrics?: MetricsOptions;
  /**
   * Spans of calls, by `@opentelemetry/api` where it is installed.
   * @default false
   */
  readonly tracing?: boolean;
  /**
   * Where revocations are kept.
   * @default the embedded issuer's store, else memory
   */
  readonly store?: Store;
  /**
   * Serve `https` and `wss` with this certificate, PEM; TLS 1.2 at least.
   * @default none
   */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /**
   * Listen without TLS on an address that others can reach, though no `trustProxy` says that a
   * proxy has it.
   * @default false
   */
  readonly allowInsecure?: boolean;
  /**
   * permessage-deflate (RFC 7692), for frames from 1 KiB up, without context take-over.
   * @default false
   */
  readonly compression?: boolean;
  /** Seams for tests; never set them in production. */
  readonly testing?: ServerTesting;
}

/** What a test may put in the place of the machine. */
export interface ServerTesting {
  /**
   * The server's time.
   * @default the machine's clocks
   */
  readonly clock?: Clock;
  /**
   * The load of the process, by which `limits.loopDelay` and `limits.heapPercent` refuse
   * connections.
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
const hookOptions = { connected: true, authenticated: true, closed: true } satisfies Record<
  keyof HookOptions,
  true
>;
const metricsOptions = { port: true, host: true, registry: true } satisfies Record<
  keyof MetricsOptions,
  true
>;

/**
 * Throws `TypeError` for an option that there isn't. (Those of `limits` and `auth` are looked at
 * where they are read.)
 */
export function checkServerOptions(options: ServerOptions): void {
  refuseUnknownOptions("createServer", options, serverOptions);
  refuseUnknownOptions("hooks", options.hooks ?? {}, hookOptions);
  refuseUnknownOptions("metrics", options.metrics ?? {}, metricsOptions);
  refuseUnknownOptions("testing", options.testing ?? {}, testingOptions);
  if (options.logger !== undefined) checkLogger(options.logger, logLevels);
  checkIdentityClaims(options.identityClaims ?? []);
}

/** Claims that are of one token alone (RFC 7519 §4.1): no refresh would ever keep them. */
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

/** Where a server listens. */
export interface Listening {
  /** The port on which the server listens. */
  readonly port: number;
  /** The address on which the server listens. */
  readonly host: string;
  /** URL of the WebSocket. */
  readonly url: string;
  /** Where `/metrics` is, if it has a port of its own. */
  readonly metricsPort?: number;
}
