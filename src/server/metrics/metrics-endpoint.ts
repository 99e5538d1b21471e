import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fireAndForget } from "../../runtime/application-code.js";
import { pathOf } from "../admission/upgrade-checks.js";
import { prometheusType } from "./prometheus-text.js";

export interface MetricsPort {
  readonly port: number;
  close(): void;
}

/**
 * Opens a port at which `/metrics` is all there is; 0 = any free one. `read` never rejects. Rejects
 * when the port can't be had.
 */
export async function openMetricsPort(
  port: number,
  host: string,
  read: () => Promise<string>,
): Promise<MetricsPort> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const isFound =
      pathOf(request) === "/metrics" && (request.method === "GET" || request.method === "HEAD");
    const text = isFound ? await read() : "the metrics are at /metrics\n";
    response.writeHead(isFound ? 200 : 404, {
      "Content-Type": prometheusType,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    });
    response.end(request.method === "HEAD" ? undefined : text);
  };
  const http = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) =>
    fireAndForget(
      () => answer(request, response),
      () => response.destroy(), // what an issuer of another make counts could not be read
    ),
  );
  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen(port, host, resolve);
  });
  http.on("error", () => {}); // an accept that failed; the next one may not
  return {
    port: (http.address() as AddressInfo).port,
    close: () => {
      http.close();
      http.closeAllConnections();
    },
  };
}
