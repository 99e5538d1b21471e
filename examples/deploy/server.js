/** One node of a deployment on Redis. */
import { createServer } from "jotwire";
import { app } from "./app.js";
import { issuer, logger, store } from "./identity.js";
import { drain, metricsPort, origins, port, trustProxy } from "./settings.js";

// Metrics are for the inner network: their port is not published.
const metrics = { port: metricsPort, host: "0.0.0.0" };
const server = createServer(app, { auth: issuer, origins, trustProxy, metrics, production: true, logger });
const { url } = await server.listen(port, "0.0.0.0"); // refuses to start when no proxy with TLS is named
logger.info({ event: "listen", url }, "serving");

async function stop(signal) {
  logger.info({ event: "drain", signal }, "stopping");
  await server.close({ drain });
  await store.close();
}
process.once("SIGTERM", stop); // ends with 0 when it has drained; a second one ends it at once
process.once("SIGINT", stop);
