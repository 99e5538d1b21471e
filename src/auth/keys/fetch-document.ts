import { lookup as systemLookup } from "node:dns";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { isLoopback, isLoopbackAddress, isPrivateAddress } from "../../runtime/ip-address.js";
import { type FetchDocument, objectionToUrl } from "./key-fetching.js";

export interface FetchLimits {
  /**
   * From the start to the last byte, milliseconds.
   * @default 5_000
   */
  readonly timeout?: number;
  /**
   * Of the body.
   * @default 262_144 (256 KiB)
   */
  readonly maxBytes?: number;
  /**
   * Resolves host names.
   * @default the system's
   */
  readonly lookup?: typeof systemLookup;
}

/**
 * Makes the fetcher of key sets and issuer metadata: no redirects, no private hosts unless allowed,
 * bounded in time and size.
 */
export function createFetchDocument({
  timeout = 5_000,
  maxBytes = 262_144,
  lookup = systemLookup,
}: FetchLimits = {}): FetchDocument {
  return async (url, { allowPrivateHosts }) => {
    const objection = objectionToUrl(url);
    if (objection) throw new Error(`the address is ${objection}`);
    const isAllowed = addressRule(url, allowPrivateHosts);
    const literal = url.hostname.replace(/^\[|\]$/g, "");
    // a literal address is never looked up
    if (isIP(literal) && !isAllowed(literal)) throw privateHost();

    const signal = AbortSignal.timeout(timeout);
    try {
      const response = await request(url, checkedLookup(lookup, isAllowed), signal);
      return await readAnswer(response, maxBytes);
    } catch (error) {
      if (signal.aborted) throw new Error(`no complete answer within ${timeout} ms`);
      throw error;
    }
  };
}

type AddressRule = (address: string) => boolean;

/**
 * `localhost` must be this machine; any other name must be public, or a resolver could lead us into
 * the private network.
 */
function addressRule(url: URL, allowPrivateHosts: boolean): AddressRule {
  if (isLoopback(url.hostname)) return isLoopbackAddress;
  return allowPrivateHosts ? () => true : (address) => !isPrivateAddress(address);
}

function privateHost(): Error {
  return new Error("the host has a private address: set allowPrivateHosts if that is meant");
}

/**
 * The check is part of the connection's own look-up: the address that was judged is the one that is
 * connected to.
 */
function checkedLookup(lookup: typeof systemLookup, isAllowed: AddressRule): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "");
      const [first] = addresses;
      if (!first) return callback(new Error("the host has no address"), "");
      if (!addresses.every(({ address }) => isAllowed(address))) return callback(privateHost(), "");
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

function request(url: URL, lookup: LookupFunction, signal: AbortSignal): Promise<IncomingMessage> {
  const get = url.protocol === "https:" ? https.get : http.get;
  const headers = {
    accept: "application/json, application/jwk-set+json",
    "accept-encoding": "identity",
  };
  return new Promise((resolve, reject) => {
    get(url, { lookup, signal, headers, agent: false }, resolve).on("error", reject);
  });
}

async function readAnswer(
  response: IncomingMessage,
  maxBytes: number,
): Promise<string | undefined> {
  const status = response.statusCode ?? 0;
  if (status !== 200) {
    response.destroy();
    if (status === 404) return undefined;
    throw new Error(
      status >= 300 && status < 400
        ? "answered with a redirect, which is not followed"
        : `answered with HTTP ${status}`,
    );
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    // leaving the loop destroys the response
    if (size > maxBytes) throw new Error(`the body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
}
