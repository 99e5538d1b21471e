import type { IncomingMessage } from "node:http";
import { parseStrictObject, type StrictObject } from "../../auth/token/strict-json.js";
import type { Clock } from "../../runtime/clock.js";
import { invalidRequest, OAuthError } from "./oauth-error.js";

/** The parameters of a request, each at most once. */
export type Parameters = ReadonlyMap<string, string>;

const longestBody = 16_384; // bytes
const longestWait = 10_000; // 10 s for the whole body

/**
 * Reads a body, JSON or form, or takes what a framework has made of it. Throws {@link OAuthError}
 * 400, 408, 413, 415, or 500 if the body was read before and nothing is left of it.
 */
export async function readParameters(request: IncomingMessage, clock: Clock): Promise<Parameters> {
  const mediaType = mediaTypeOf(request.headers["content-type"]);
  const body = wasRead(request) ? bodyReadBefore(request) : await readBody(request, clock);
  if (body instanceof Uint8Array) return parse(decode(body), mediaType);
  if (typeof body === "string") return parse(body, mediaType);
  return parametersOf(body, mediaType);
}

/** The parameter. Throws 400 when it is absent or empty. */
export function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value === undefined || value === "")
    throw invalidRequest(`The parameter ${name} is missing.`);
  return value;
}

/** A parameter that is true or false. Throws `OAuthError` (`invalid_request`) for another value. */
export function flagIn(parameters: Parameters, name: string, absent: boolean): boolean {
  const value = parameters.get(name) ?? String(absent);
  if (value !== "true" && value !== "false")
    throw invalidRequest(`The parameter ${name} must be true or false.`);
  return value === "true";
}

type MediaType = "json" | "form";

function mediaTypeOf(contentType: string | undefined): MediaType {
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase();
  if (mediaType === "application/json") return "json";
  if (mediaType === "application/x-www-form-urlencoded") return "form";
  throw new OAuthError(
    415,
    "invalid_request",
    "Send application/json or application/x-www-form-urlencoded, and say so in Content-Type.",
  );
}

function parse(text: string, mediaType: MediaType): Parameters {
  return mediaType === "json" ? parametersOf(parseText(text), "json") : parseForm(text);
}

/**
 * Has somebody else begun to read the body? An empty one ends without data. Otherwise the stream
 * has it, whatever `request.body` is: Express 4 sets it for bodies that it does not read.
 */
function wasRead({ readableDidRead, readableEnded }: IncomingMessage): boolean {
  return readableDidRead || readableEnded;
}

/** What a body parser left in `request.body`: a text, bytes, or the members of an object. */
function bodyReadBefore(
  request: IncomingMessage & { readonly body?: unknown },
): string | Uint8Array | object {
  const { body } = request;
  if (body === undefined)
    throw new OAuthError(
      500,
      "server_error",
      "The body was read before: call handle before any body parser, or leave the parsed body in request.body.",
    );
  if (Number(request.headers["content-length"] ?? 0) > longestBody) throw tooLarge();
  if (typeof body === "string" || body instanceof Uint8Array) {
    if (Buffer.byteLength(body) > longestBody) throw tooLarge();
    return body;
  }
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw invalidRequest("The body must be one JSON object or a form.");
  return body;
}

function readBody(request: IncomingMessage, clock: Clock): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      stopWaiting();
      request.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken);
      request.on("error", () => {}); // what breaks after this concerns nobody
      settle();
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= longestBody) chunks.push(chunk);
      else finish(() => reject(tooLarge()));
    };
    const onEnd = (): void => finish(() => resolve(Buffer.concat(chunks)));
    const onBroken = (): void => finish(() => reject(invalidRequest("The body ended too early.")));
    const stopWaiting = clock.after(longestWait, () => finish(() => reject(tooSlow())));
    if (Number(request.headers["content-length"] ?? 0) > longestBody)
      finish(() => reject(tooLarge()));
    else request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

function tooLarge(): OAuthError {
  return new OAuthError(413, "invalid_request", `A body may have at most ${longestBody} bytes.`, {
    Connection: "close",
  });
}

function tooSlow(): OAuthError {
  return new OAuthError(
    408,
    "invalid_request",
    `The body has to arrive within ${longestWait / 1_000} seconds.`,
    { Connection: "close" },
  );
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw invalidRequest("The body is not UTF-8.");
    throw error;
  }
}

const loneSurrogate = /\p{Surrogate}/u;

/**
 * The own members of a parsed body that are strings, or `true` and `false` where they are meant. The
 * parser of a framework gives a list for a parameter that a form has twice.
 */
function parametersOf(body: object, mediaType: MediaType): Parameters {
  const parameters = new Map<string, string>();
  let size = 0;
  for (const [name, member] of Object.entries(body)) {
    if (typeof member === "string") {
      size += Buffer.byteLength(name) + Buffer.byteLength(member);
      if (size > longestBody) throw tooLarge();
      if (loneSurrogate.test(name) || loneSurrogate.test(member))
        throw invalidRequest("The body has a string with a lone surrogate.");
      parameters.set(name, member);
    } else if (typeof member === "boolean" && flags.has(name)) parameters.set(name, String(member));
    else if (mediaType === "form" && Array.isArray(member)) throw appearsTwice();
    else if (known.has(name)) throw invalidRequest(`The parameter ${name} must be a string.`);
  }
  return parameters;
}

const known = new Set([
  ...["username", "password", "grant_type", "refresh_token", "scope"],
  ...["client_id", "client_secret", "token", "token_type_hint", "everywhere"],
  ...["password_token", "cookie"],
]);
const flags = new Set(["everywhere", "cookie"]);

/** No member twice: a proxy in front may have looked at the other one. */
function parseText(text: string): StrictObject {
  try {
    return parseStrictObject(text);
  } catch (error) {
    if (error instanceof SyntaxError)
      throw invalidRequest(`The body must be one JSON object: ${error.message}.`);
    throw error;
  }
}

/** RFC 6749 §3.2: no parameter twice. */
function parseForm(text: string): Parameters {
  if (text.startsWith("{"))
    // curl -d says it is a form
    throw invalidRequest("The body is JSON: say so, Content-Type: application/json.");
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (parameters.has(name)) throw appearsTwice();
    parameters.set(name, value);
  }
  return parameters;
}

function appearsTwice(): OAuthError {
  return invalidRequest("A parameter is there twice.");
}
