import { lookup as systemLookup } from "node:dns";
import http, { type AgentOptions, type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { isLoopback, isLoopbackAddress, isPrivateAddress } from "../../runtime/ip-address.js";
import {
  type FetchDocument,
  HttpStatusError,
  headersFor,
  objectionToUrl,
  type PostedForm,
} from "./key-fetching.js";

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
  return async (url, { allowPrivateHosts, post }) => {
    const objection = objectionToUrl(url, allowPrivateHosts);
    if (objection) throw new Error(`the address is ${objection}`);
    const objectionTo = addressRule(url, allowPrivateHosts);
    const literal = url.hostname.replace(/^\[|\]$/g, "");
    // a literal address is never looked up
    const refused = isIP(literal) ? objectionTo(literal) : undefined;
    if (refused !== undefined) throw new Error(refused);

    const signal = AbortSignal.timeout(timeout);
    try {
      const checked = checkedLookup(url, lookup, objectionTo);
      const response = await request(url, checked, signal, post);
      return await readAnswer(response, maxBytes);
    } catch (error) {
      if (signal.aborted)
        throw new Error(`no complete answer within ${timeout} ms${unusedProxy(url)}`);
      if (isUnreachable(error)) throw new Error(`${error.message}${unusedProxy(url)}`);
      throw error;
    }
  };
}

/** Why an address must not be asked; undefined: it may. */
type AddressRule = (address: string) => string | undefined;

const privateHost = "the host has a private address: set allowPrivateHosts if that is meant";
const publicHost =
  "the host has a public address: http is for hosts of your own network, use https";
const otherHost = "the name is this machine's, and the address is not";

/**
 * `localhost` must be this machine. Any other name must be public, or a resolver could lead us into
 * the private network; and what is asked in the clear must be private.
 */
function addressRule({ protocol, hostname }: URL, allowPrivateHosts: boolean): AddressRule {
  if (isLoopback(hostname))
    return (address) => (isLoopbackAddress(address) ? undefined : otherHost);
  if (protocol === "http:")
    return (address) => (isPrivateAddress(address) ? undefined : publicHost);
  return (address) => (allowPrivateHosts || !isPrivateAddress(address) ? undefined : privateHost);
}

/**
 * The check is part of the connection's own look-up: the address that was judged is the one that is
 * connected to. Another name than the URL's is that of the environment's proxy, which resolves the
 * URL's name itself.
 */
function checkedLookup(
  url: URL,
  lookup: typeof systemLookup,
  objectionTo: AddressRule,
): LookupFunction {
  return (hostname, options, callback) => {
    if (hostname !== url.hostname) return lookup(hostname, options, callback);
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "");
      const [first] = addresses;
      if (!first) return callback(new Error("the host has no address"), "");
      for (const { address } of addresses) {
        const objection = objectionTo(address);
        if (objection !== undefined) return callback(new Error(objection), "");
      }
      return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

function request(
  url: URL,
  lookup: LookupFunction,
  signal: AbortSignal,
  post: PostedForm | undefined,
): Promise<IncomingMessage> {
  const { request: send, Agent } = url.protocol === "https:" ? https : http;
  const agent = new Agent({ proxyEnv: proxyOf(url) } as AgentOptions);
  const method = post === undefined ? "GET" : "POST";
  const headers = { ...headersFor(post), "accept-encoding": "identity" };
  return new Promise((resolve, reject) => {
    send(url, { method, lookup, signal, headers, agent }, resolve)
      .on("error", reject)
      .end(post?.body);
  });
}

/**
 * Node's own setting: from 22.21 and 24.5 its global agents know the environment's proxy where
 * `NODE_USE_ENV_PROXY=1` or `--use-env-proxy` asks for it.
 */
function proxyOf({ protocol }: URL): unknown {
  const { globalAgent } = protocol === "https:" ? https : http;
  const { options } = globalAgent as { readonly options?: { readonly proxyEnv?: unknown } };
  return options?.proxyEnv;
}

/** Behind a corporate proxy a direct connection hangs or is refused, which says nothing of that. */
function unusedProxy(url: URL): string {
  const names =
    url.protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const name = names.find((each) => (process.env[each] ?? "") !== "");
  return name === undefined || proxyOf(url) !== undefined
    ? ""
    : `; ${name} is set and was not used: start Node 22.21, 24.5 or later with NODE_USE_ENV_PROXY=1, or give auth.fetch`;
}

const unreachable =
  /^(?:ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)$/;

function isUnreachable(error: unknown): error is Error {
  return error instanceof Error && "code" in error && unreachable.test(String(error.code));
}

async function readAnswer(
  response: IncomingMessage,
  maxBytes: number,
): Promise<string | undefined> {
  const status = response.statusCode ?? 0;
  if (status !== 200) {
    response.destroy();
    if (status === 404) return undefined;
    if (status >= 300 && status < 400)
      throw new Error("answered with a redirect, which is not followed");
    throw new HttpStatusError(status);
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
