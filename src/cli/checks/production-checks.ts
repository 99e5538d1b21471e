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
const notableSkew = 5; // s: the leeway for `iat` in tokens of the embedded issuer
const harmfulSkew = 30; // s: the leeway for `iat` in tokens of other issuers
const fewDescriptors = 10_000;

/**
 * Starts a server on a free port of loopback. Returns why it is not ready for traffic, or
 * `undefined` if it is ready.
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
        advice: `cannot compare clocks: ${new URL(issuer).origin} does not answer (${messageOf(error)}); check that this machine can reach the issuer`,
      },
    ];
  }
  const theirs = Date.parse(date ?? "");
  if (Number.isNaN(theirs))
    return [
      {
        level: "warning",
        advice:
          "cannot compare clocks: the issuer sends no Date header; synchronize this machine's clock by NTP",
      },
    ];
  // the Date header is cut to whole seconds, so its mean error is half a second
  const skew = Math.round((theirs + 500 - (askedAt + Date.now()) / 2) / 1_000);
  if (Math.abs(skew) <= notableSkew) return [];
  const advice = `this machine's clock is ${Math.abs(skew)} s ${skew > 0 ? "behind" : "ahead of"} the issuer's; synchronize it by NTP`;
  return [{ level: Math.abs(skew) > harmfulSkew ? "unsafe" : "warning", advice }];
}

/**
 * Compares the process's limit of open files with the server's limits: each connection is a file.
 */
export async function descriptorShortage(): Promise<Found> {
  if (process.platform !== "linux")
    return [
      {
        level: "warning",
        advice: "cannot read the limit of open files on this platform; check ulimit -n",
      },
    ];
  const limits = await readFile("/proc/self/limits", "utf8");
  // "unlimited" does not match \d+
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  const least = defaultLimits.unauthenticatedConnections + 100;
  if (soft < least) {
    const advice = `this process may open ${soft} files, fewer than the ${defaultLimits.unauthenticatedConnections} unauthenticated connections that the server allows; raise the limit with ulimit -n 65536 (LimitNOFILE= in systemd)`;
    return [{ level: "unsafe", advice }];
  }
  return soft < fewDescriptors
    ? [
        {
          level: "warning",
          advice: `this process may open ${soft} files, one for each connection; raise the limit with ulimit -n 65536`,
        },
      ]
    : [];
}

/** Checks the origins that may connect. */
export async function originAdvice(origins: readonly string[]): Promise<Found> {
  return origins.flatMap((origin): Found => {
    if (origin === "null")
      return [
        {
          level: "unsafe",
          advice:
            "the origin null belongs to any sandboxed frame and any local file; list the origins that may connect",
        },
      ];
    if (/^http:\/\/(?!(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$)/.test(origin)) {
      const advice = `anybody on the network path can change a page of ${origin}, which acts for its users; serve the page over https and list that origin`;
      return [{ level: "unsafe", advice }];
    }
    return origin.includes("://*.")
      ? [
          {
            level: "warning",
            advice: `${origin} allows every subdomain, also one that an attacker has taken over; list the subdomains that you need`,
          },
        ]
      : [];
  });
}

type AudienceRules = Pick<ProviderOptions, "issuer" | "audience" | "audienceClaim" | "typ">;

/** Checks that tokens for somebody else, and ID tokens, are not accepted. */
export async function audienceAdvice(provider: AudienceRules): Promise<Found> {
  const bare = (text: string) => text.replace(/\/$/, "");
  const isIssuer = [provider.audience].flat().some((one) => bare(one) === bare(provider.issuer));
  const advice = isIssuer
    ? [
        "the audience is the issuer itself, so this server also accepts tokens for the issuer's own endpoints; register this server with the issuer as an API with its own name",
      ]
    : idTokenAdvice(provider);
  return advice.map((text) => ({ level: "warning", advice: text }));
}

/**
 * The audience of an ID token is a client. Only an API has a URI for its name; a plain name may be
 * either's. A type other than `JWT` belongs to access tokens.
 */
function idTokenAdvice({ audience, audienceClaim = "aud", typ }: AudienceRules): readonly string[] {
  const isTyped = typ !== undefined && [typ].flat().every((type) => !/^(?:.*\/)?jwt$/i.test(type));
  const ofClient =
    audienceClaim === "aud"
      ? [audience].flat().find((name) => !/^[a-z][a-z\d+.-]*:./i.test(name))
      : [audience].flat()[0];
  if (isTyped || ofClient === undefined) return [];
  return [
    `neither a type nor an audience that only an API can have is demanded, so an ID token for ${JSON.stringify(ofClient)} that cannot be told from an access token is accepted; demand --typ at+jwt where the issuer sets it, or give the API a URI for its audience, such as https://orders.example.com`,
  ];
}

/**
 * Checks how a Redis persists its data, and whose data it has. `served` is the embedded issuer, if
 * there is one.
 */
export async function adviceOnRedis(
  place: RedisPlace & { readonly redis: string },
  served: IssuerIdentity | undefined,
): Promise<Found> {
  const url = place.redis;
  const { adviseRedis } = await failingAs(
    "configuration",
    "--redis needs two packages, npm install @redis/client rate-limiter-flexible: ",
    () => import("../../store/redis/connection/redis-advice.js"),
  );
  const advice = await reachingRedis("--redis", () => adviseRedis({ url }));
  const isClear =
    url.startsWith("redis:") &&
    !/@?(localhost|127\.0\.0\.1|\[::1\])(:|\/|$)/.test(url.slice("redis://".length));
  const clear = "Redis traffic crosses the network unencrypted; use rediss:";
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
  const other = `this Redis has the data of another issuer, ${known.issuer} for ${known.audience}; choose another --redis-prefix, or that issuer and audience`;
  return [{ level: "unsafe", advice: other }, ...findings];
}
