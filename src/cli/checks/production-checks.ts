import { readFile } from "node:fs/promises";
import {
  createRpc,
  createServer,
  defaultLimits,
  type Logger,
  type ProviderOptions,
  type Router,
  type ServerOptions,
} from "../../index.js";
import { failingAs, messageOf } from "../cli-error.js";
import { type RedisPlace, reachingRedis, servedIssuerAt } from "../settings/redis-place.js";
import type { IssuerIdentity } from "../settings/state-folder.js";
import type { Found } from "./finding.js";

const timeoutMs = 5_000; // 5 s
const notableSkew = 5; // s: the leeway that tokens of the embedded issuer have for `iat`
const harmfulSkew = 30; // s: the leeway for those of other issuers
const fewDescriptors = 10_000;

/**
 * Brings a server up on a free port of loopback. Why it isn't ready for traffic; undefined: it is.
 */
export async function trialServer(
  app: Router<unknown> | undefined,
  options: ServerOptions,
): Promise<string | undefined> {
  const details: string[] = [];
  const note = (fields: object) => {
    const { detail } = fields as { readonly detail?: unknown };
    if (typeof detail === "string") details.push(detail);
  };
  const logger: Logger = { debug: () => {}, info: () => {}, warn: note, error: note };
  const server = await failingAs("configuration", "", () =>
    createServer(app ?? createRpc().router({}), { ...options, logger }),
  );
  try {
    const { port } = await server.listen(0);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, {
      signal: AbortSignal.timeout(3 * timeoutMs),
    });
    const { reason } = (await answer.json()) as { readonly reason?: string };
    return reason === undefined ? undefined : [reason, ...new Set(details)].join(": ");
  } finally {
    await server.close();
  }
}

/** Compares this machine's clock with the provider's. */
export async function clockSkew(issuer: string): Promise<Found> {
  const askedAt = Date.now();
  let date: string | null;
  try {
    const answer = await fetch(issuer, {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    date = answer.headers.get("date");
  } catch (error) {
    return [
      {
        level: "warning",
        advice: `the issuer's clock can't be compared, since ${new URL(issuer).origin} does not answer (${messageOf(error)})`,
      },
    ];
  }
  const theirs = Date.parse(date ?? "");
  if (Number.isNaN(theirs))
    return [
      {
        level: "warning",
        advice:
          "the issuer does not tell its time: see to it that this machine's clock is right (NTP)",
      },
    ];
  // the header has whole seconds
  const skew = Math.round((theirs + 500 - (askedAt + Date.now()) / 2) / 1_000);
  if (Math.abs(skew) <= notableSkew) return [];
  const advice = `this machine's clock is ${Math.abs(skew)} s ${skew > 0 ? "behind" : "ahead of"} the issuer's: set it by NTP`;
  return [{ level: Math.abs(skew) > harmfulSkew ? "unsafe" : "warning", advice }];
}

/** Compares the limit of open files with the limits of the server: each connection takes one. */
export async function descriptorShortage(): Promise<Found> {
  if (process.platform !== "linux")
    return [
      { level: "warning", advice: "the limit of open files is not known here: see ulimit -n" },
    ];
  const limits = await readFile("/proc/self/limits", "utf8");
  // "unlimited" is no number
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  const least = defaultLimits.unauthenticatedConnections + 100;
  if (soft < least) {
    const advice = `this process may open ${soft} files, fewer than the ${defaultLimits.unauthenticatedConnections} connections that may be unauthenticated alone: ulimit -n 65536 (LimitNOFILE= in systemd)`;
    return [{ level: "unsafe", advice }];
  }
  return soft < fewDescriptors
    ? [
        {
          level: "warning",
          advice: `at most ${soft} files may be open, a connection is one: ulimit -n 65536 for more`,
        },
      ]
    : [];
}

/** Which pages may connect. */
export async function originAdvice(origins: readonly string[]): Promise<Found> {
  return origins.flatMap((origin): Found => {
    if (origin === "null")
      return [
        {
          level: "unsafe",
          advice:
            "the origin null is that of anybody's sandboxed frames and files: name the pages that may connect",
        },
      ];
    if (/^http:\/\/(?!(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$)/.test(origin)) {
      const advice = `a page of ${origin} can be changed by anybody on the way, and acts for its users: serve it by https, and name that origin`;
      return [{ level: "unsafe", advice }];
    }
    return origin.includes("://*.")
      ? [
          {
            level: "warning",
            advice: `${origin} lets pages of every subdomain in, also of one that somebody took over: name those that you need`,
          },
        ]
      : [];
  });
}

/** Whom tokens must be for. */
export async function audienceAdvice({
  issuer,
  audience,
}: Pick<ProviderOptions, "issuer" | "audience">): Promise<Found> {
  const bare = (text: string) => text.replace(/\/$/, "");
  if (![audience].flat().some((one) => bare(one) === bare(issuer))) return [];
  const advice =
    "the audience is the issuer itself, so that a token for its own endpoints is accepted here, too: register this server there as an API with a name of its own";
  return [{ level: "warning", advice }];
}

/**
 * How the Redis keeps what it is told, and whose data it has. `served`: the embedded issuer, if
 * there is one.
 */
export async function adviceOnRedis(
  place: RedisPlace & { readonly redis: string },
  served: IssuerIdentity | undefined,
): Promise<Found> {
  const url = place.redis;
  const { adviseRedis } = await failingAs(
    "configuration",
    "--redis needs packages: npm install @redis/client rate-limiter-flexible: ",
    () => import("../../store/redis/connection/redis-advice.js"),
  );
  const advice = await reachingRedis("--redis", () => adviseRedis({ url }));
  const isClear =
    url.startsWith("redis:") &&
    !/@?(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(url.slice("redis://".length));
  const clear = "what is in Redis crosses the network in the clear: use rediss:";
  const findings: Found = [...advice, ...(isClear ? [clear] : [])].map((text) => ({
    level: "warning",
    advice: text,
  }));
  const known = served === undefined ? undefined : await servedIssuerAt(place);
  if (
    known === undefined ||
    (known.issuer === served?.issuer && known.audience === served.audience)
  )
    return findings;
  const other = `this Redis has the data of another issuer, ${known.issuer} for ${known.audience}: choose another --redis-prefix, or give those`;
  return [{ level: "unsafe", advice: other }, ...findings];
}
