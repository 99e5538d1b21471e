import type { IncomingMessage } from "node:http";
import { parseStrictObject, type StrictObject } from "../../auth/token/strict-json.js";
import type { Clock } from "../../runtime/clock.js";
import { invalidRequest, OAuthError } from "./oauth-error.js";

/** The parameters of a request, each at most once. */
export type Parameters = ReadonlyMap<string, string>;

const longestBody = 16_384; // bytes
const longestWait = 10_000; // 10 s for the whole body

/** Reads a body, JSON or form. Throws {@link OAuthError} 400, 408, 413 or 415. */
export async function readParameters(request: IncomingMessage, clock: Clock): Promise<Parameters> {
  const parse = parserFor(request.headers["content-type"]);
  return parse(decode(await readBody(request, clock)));
}

/** The parameter. Throws 400 when it is absent or empty. */
export function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value === undefined || value === "")
    throw invalidRequest(`The parameter ${name} is missing.`);
  return value;
}

function parserFor(contentType: string | undefined): (text: string) => Parameters {
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase();
  if (mediaType === "application/json") return parseJson;
  if (mediaType === "application/x-www-form-urlencoded") return parseForm;
  throw new OAuthError(
    415,
    "invalid_request",
    "Send application/json or application/x-www-form-urlencoded, and say so in Content-Type.",
  );
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

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw invalidRequest("The body is not UTF-8.");
    throw error;
  }
}

function parseJson(text: string): Parameters {
  const parameters = new Map<string, string>();
  for (const [name, member] of Object.entries(parseText(text))) {
    if (typeof member === "string") parameters.set(name, member);
    else if (known.has(name)) throw invalidRequest(`The parameter ${name} must be a string.`);
  }
  return parameters;
}

const known = new Set([
  ...["username", "password", "grant_type", "refresh_token", "scope"],
  ...["client_id", "client_secret", "token", "token_type_hint"],
]);

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
    if (parameters.has(name)) throw invalidRequest("A parameter is there twice.");
    parameters.set(name, value);
  }
  return parameters;
}
