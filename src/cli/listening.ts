import { createServer as createHttpServer } from "node:http";
import { createServer as createNetServer } from "node:net";
import type { Listening, Server } from "../index.js";
import type { PublicFiles } from "./app/public-files.js";
import { CliError, codeOf, messageOf } from "./cli-error.js";

/**
 * The port itself; for 0 one that is free now, since an issuer's URL has the port in it before the
 * server listens.
 */
export function knownPort(port: number, host: string): Promise<number> {
  return port === 0 ? freePort(port, host) : Promise.resolve(port);
}

/**
 * The port, 0 for any, when a server could listen there now. Throws a `CliError` otherwise: better
 * told before anything is begun.
 */
export function freePort(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createNetServer();
    probe.once("error", (error) => reject(cannotListen(error, port, host)));
    probe.listen(port, host, () => {
      const address = probe.address();
      probe.close(() =>
        resolve(typeof address === "object" && address !== null ? address.port : port),
      );
    });
  });
}

/** Throws a `CliError` that says why the server can't listen there. */
export async function listen(server: Server, port: number, host: string): Promise<Listening> {
  try {
    return await server.listen(port, host);
  } catch (error) {
    throw cannotListen(error, port, host);
  }
}

/**
 * As `listen`, with pages beside the server's own endpoints. The function closes what was opened
 * here.
 */
export async function listenBeside(
  server: Server,
  files: PublicFiles,
  port: number,
  host: string,
): Promise<() => void> {
  const http = createHttpServer(async (request, response) => {
    if (!(await server.handle(request, response))) await files.serve(request, response);
  });
  server.attach(http);
  await new Promise<void>((resolve, reject) => {
    http.once("error", (error) => reject(cannotListen(error, port, host)));
    http.listen(port, host, resolve);
  });
  return () => {
    http.close();
    http.closeAllConnections();
  };
}

/**
 * `port` and `host` are the server's; it may be those of its metrics that can't be had, and the
 * error says so.
 */
function cannotListen(error: unknown, port: number, host: string): CliError {
  const {
    port: tried = port,
    hostname = host,
    address = hostname,
  } = error as Partial<Record<"hostname" | "address", string>> & { port?: number };
  const isOwn = tried === port && hostname === host;
  const [place, portOption, hostOption] = isOwn
    ? [host, "--port", "--host"]
    : [address, "--metrics-port", "--metrics-host"];
  const advice: ReadonlyMap<string | undefined, string> = new Map([
    [
      "EADDRINUSE",
      `port ${tried} is taken: stop who has it, or choose another with ${portOption} (0: any free one)`,
    ],
    [
      "EACCES",
      `port ${tried} may not be opened by this user: choose one from 1024 up with ${portOption}`,
    ],
    [
      "EADDRNOTAVAIL",
      `${place} is not an address of this machine; choose another with ${hostOption}`,
    ],
    ["ENOTFOUND", `${place} is not an address; choose another with ${hostOption}`],
  ]);
  return new CliError(
    "connection",
    advice.get(codeOf(error)) ?? `can't listen on ${place}:${tried}: ${messageOf(error)}`,
  );
}
