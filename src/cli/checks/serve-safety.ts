import { stat } from "node:fs/promises";
import { isLoopback } from "../../runtime/ip-address.js";

/** The settings that decide whether others can reach a server, and how safely. */
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
 * Returns advice for each unsafe setting of a server that others can reach.
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
      `tokens would cross the network unencrypted on ${host}; give --tls-cert and --tls-key, name the proxy that has TLS with --trust-proxy, or set --allow-insecure`,
    ],
    [
      isIssuerClear,
      "passwords would go to an http URL; give --issuer with the https URL at which clients reach this server",
    ],
    [
      origin.length === 0,
      "no origin may connect; give --origin https://app.example.com, or --origin none for programs only",
    ],
    [
      demoUser !== undefined,
      `the user "${demoUser}" still has the password that jotwire dev has shown; jotwire user passwd ${demoUser}, or jotwire user remove ${demoUser}`,
    ],
    [
      environment !== undefined && environment !== "production",
      `NODE_ENV is "${environment}", so refusals would show their causes to callers; set it to production, or unset it`,
    ],
  ];
  return hazards.filter(([isThere]) => isThere).map(([, advice]) => advice);
}

async function keyFileHazards(path: string): Promise<string[]> {
  if (process.platform === "win32") return []; // file modes mean nothing there
  const { mode } = await stat(path);
  return (mode & 0o007) === 0
    ? []
    : [`every user of this machine can read the key in ${path}; chmod o= ${path}`];
}
