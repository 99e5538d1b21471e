import { stat } from "node:fs/promises";
import { isLoopback } from "../../runtime/ip-address.js";

/** What decides whether a server may be reached by others. */
export interface Exposure {
  readonly host: string;
  readonly trustProxy: readonly string[];
  readonly hasTls: boolean;
  readonly tlsKey: string | undefined;
  readonly allowInsecure: boolean;
  readonly origin: readonly string[];
  /** The URL of the embedded issuer, if there is one. */
  readonly embeddedIssuer: string | undefined;
  readonly demoUser: string | undefined;
  readonly environment: string | undefined;
}

/**
 * What is unsafe about the settings of a server that others can reach: what to do about each.
 * Empty: nothing.
 */
export async function hazardsOf(exposure: Exposure): Promise<readonly string[]> {
  const { host, trustProxy, tlsKey } = exposure;
  const keyHazards = tlsKey === undefined ? [] : await keyFileHazards(tlsKey);
  const isExposed = !isLoopback(host) || trustProxy.length > 0;
  return isExposed ? [...keyHazards, ...exposedHazards(exposure)] : keyHazards;
}

function exposedHazards({
  host,
  trustProxy,
  hasTls,
  allowInsecure,
  origin,
  embeddedIssuer,
  demoUser,
  environment,
}: Exposure): string[] {
  const isClear = !hasTls && trustProxy.length === 0 && !allowInsecure;
  const isIssuerClear =
    embeddedIssuer !== undefined && !embeddedIssuer.startsWith("https://") && !allowInsecure;
  const hazards: readonly (readonly [boolean, string])[] = [
    [
      isClear,
      `tokens would cross the network in the clear on ${host}: give --tls-cert and --tls-key, name the proxy that has TLS with --trust-proxy, or say --allow-insecure`,
    ],
    [
      isIssuerClear,
      "passwords would go to an http URL: give the https URL at which clients reach this server with --issuer",
    ],
    [
      origin.length === 0,
      "no page is named that may connect: give --origin https://app.example.com, or --origin none for programs only",
    ],
    [
      demoUser !== undefined,
      `the user "${demoUser}" of jotwire dev is still there, whose password was on a screen: jotwire user passwd ${demoUser}, or jotwire user remove ${demoUser}`,
    ],
    [
      environment !== undefined && environment !== "production",
      `NODE_ENV is "${environment}", so refusals would tell their causes: set it to production, or not at all`,
    ],
  ];
  return hazards.filter(([isThere]) => isThere).map(([, advice]) => advice);
}

async function keyFileHazards(path: string): Promise<string[]> {
  if (process.platform === "win32") return []; // modes say nothing there
  const { mode } = await stat(path);
  return (mode & 0o007) === 0
    ? []
    : [`everybody on this machine may read the key in ${path}: chmod o= ${path}`];
}
