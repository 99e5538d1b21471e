import { TokenRefusedError } from "../refusal.js";
import { decodeBase64url, isCanonicalBase64url } from "./base64url.js";
import { parseStrictObject, type StrictObject } from "./strict-json.js";

/** A token that is well-formed; nothing of it is verified. */
export interface UnverifiedToken {
  /** The compact serialization (RFC 7515 §7.1). */
  readonly text: string;
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly header: StrictObject;
  readonly claims: StrictObject;
  /** The claims as they were sent, in base64url. */
  readonly payload: string;
}

type Header = Pick<UnverifiedToken, "header" | "algorithm" | "keyId">;

// RFC 7516 §7.1; with a direct key its second segment is empty
const compactJwe = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}$/;
const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/**
 * Header parameters that bring a key, change what is signed, or belong to an encrypted token (RFC
 * 7515 §4.1, RFC 7797, RFC 7516). `jku`, `x5u` and `cty` are ignored: keys come from the configured
 * place alone (RFC 7515 §4), and the payload must be a claims set.
 */
const refusedParameters = ["jwk", "crit", "b64", "zip", "enc"];

/**
 * Reads a token as it was typed or sent. Looks up no key.
 * @throws TokenRefusedError `token_invalid`
 */
export function readToken(input: unknown, maxLength: number): UnverifiedToken {
  if (typeof input !== "string") throw invalid("the token is not a string");
  const text = normalizeToken(input);
  if (text.length > maxLength)
    throw invalid(
      `the token has ${text.length} characters, and auth.maxTokenLength is ${maxLength}`,
    );
  if (compactJwe.test(text)) throw encrypted();
  if (!compactJws.test(text)) throw notJwt();
  const [first = "", payload = "", signature = ""] = text.split(".");
  if (!isCanonicalBase64url(signature)) throw notCanonical();
  const { header, algorithm, keyId } = readHeader(first);
  return {
    text,
    algorithm,
    keyId,
    header,
    claims: parseSegment("payload", decodeSegment(payload), { allowLone: true }),
    payload,
  };
}

/**
 * What people paste: white space around, line breaks from a terminal, the prefix of an HTTP header.
 */
export function normalizeToken(input: string): string {
  const trimmed = input.trim();
  // RFC 9110 §11.1: the name of a scheme is case-insensitive
  const bare = trimmed.replace(/^bearer\s+/i, "");
  return bare.includes("\n") || bare.includes("\r") ? bare.replace(/[\r\n]/g, "") : bare;
}

function decodeSegment(segment: string): Uint8Array {
  const bytes = decodeBase64url(segment);
  if (!bytes) throw notCanonical();
  return bytes;
}

function notJwt(): TokenRefusedError {
  return new TokenRefusedError(
    "token_invalid",
    "this is no JWT, which is three base64url segments with dots between: a refresh token, or an opaque one?",
    undefined,
    "send the access token; for API keys and opaque tokens give the server auth: { verify }",
  );
}

function encrypted(): TokenRefusedError {
  const hint =
    "have the issuer send signed access tokens (JWS), unencrypted: TLS keeps them secret on the way";
  return new TokenRefusedError(
    "token_invalid",
    "this is an encrypted token (JWE, five segments), and only signed ones are accepted",
    undefined,
    hint,
  );
}

function notCanonical(): TokenRefusedError {
  return invalid("a segment is not canonical base64url");
}

function parseSegment(
  name: string,
  bytes: Uint8Array,
  options: { readonly allowLone?: boolean } = {},
): StrictObject {
  try {
    return parseStrictObject(bytes, options);
  } catch (error) {
    throw invalid(
      `the ${name} is ${error instanceof SyntaxError ? `refused: ${error.message}` : "unreadable"}`,
    );
  }
}

/**
 * The tokens of one key have one header, to the letter: the last good one is kept, which saves a
 * third of the reading.
 */
let lastHeader: { readonly segment: string; readonly read: Header } | undefined;

function readHeader(segment: string): Header {
  if (lastHeader?.segment === segment) return lastHeader.read;
  const bytes = decodeSegment(segment);
  const read = judgeHeader(parseSegment("header", bytes));
  // a copy: a part of a string keeps the whole token alive
  lastHeader = { segment: Buffer.from(bytes).toString("base64url"), read };
  return read;
}

function judgeHeader(header: StrictObject): Header {
  const { alg: algorithm, kid: keyId } = header;
  if (typeof algorithm !== "string") throw invalid("the header has no alg");
  const refused = refusedParameters.find((name) => Object.hasOwn(header, name));
  if (refused) throw invalid(`the header has ${refused}`);
  if (keyId !== undefined && !isKeyId(keyId))
    throw invalid(`the header's kid is not a string of 1 to ${maxKeyId} characters`);
  return { header, algorithm, keyId };
}

export const maxKeyId = 512; // characters

/** Is this a `kid` that we handle? */
export function isKeyId(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= maxKeyId;
}

function invalid(detail: string): TokenRefusedError {
  return new TokenRefusedError("token_invalid", detail);
}

/**
 * `typ` values are media types without regard to case, whose `application/` may be left out (RFC
 * 7515 §4.1.9).
 */
export function normalizeType(type: string): string {
  const lower = type.toLowerCase();
  return lower.includes("/") ? lower : `application/${lower}`;
}
