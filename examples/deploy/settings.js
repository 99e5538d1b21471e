/** What is different from one deployment to the next comes from the environment. */
const { env } = process;

/** Where all nodes keep users, sessions, revocations and topics. */
export const redisUrl = needed("REDIS_URL");
/** The URL at which clients reach the deployment: the `iss` of its tokens. */
export const publicUrl = needed("PUBLIC_URL");
/** Web pages that may connect, with commas between them. */
export const origins = list("ORIGINS");
/** Addresses or ranges of the proxies with TLS in front. */
export const trustProxy = list("TRUST_PROXY");
export const port = Number(env.PORT ?? 8080);
/** Where Prometheus reads `/metrics`. */
export const metricsPort = Number(env.METRICS_PORT ?? 9464);
/** Milliseconds in which clients may leave when the node is told to stop. */
export const drain = Number(env.DRAIN ?? 20_000);

function needed(name) {
  const value = env[name];
  if (!value) throw new Error(`the environment has no ${name}`);
  return value;
}

function list(name) {
  return (env[name] ?? "").split(",").filter((part) => part !== "");
}
