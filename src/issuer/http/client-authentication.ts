import type { IncomingMessage } from "node:http";
import type { ClientRecord } from "../../store/store.js";
import type { ClientDirectory } from "../accounts/client-directory.js";
import type { Parameters } from "./http-body.js";
import { invalidRequest, OAuthError } from "./oauth-error.js";

interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/**
 * The client that shows its secret, in the header or the body (RFC 6749 §2.3.1). Undefined: it
 * shows none. Throws `invalid_client`.
 */
export async function authenticateClient(
  request: IncomingMessage,
  parameters: Parameters,
  clients: ClientDirectory,
): Promise<ClientRecord | undefined> {
  const credentials = credentialsOf(request, parameters);
  if (credentials === undefined) return undefined;
  const client = await clients.authenticate(credentials.clientId, credentials.clientSecret);
  if (client === undefined) throw invalidClient("Unknown client, or wrong secret.");
  return client;
}

export function invalidClient(description: string): OAuthError {
  return new OAuthError(401, "invalid_client", description, {
    "WWW-Authenticate": 'Basic realm="jotwire", charset="UTF-8"',
  });
}

function credentialsOf(
  { headers: { authorization } }: IncomingMessage,
  parameters: Parameters,
): Credentials | undefined {
  const clientId = parameters.get("client_id");
  const clientSecret = parameters.get("client_secret");
  if (authorization === undefined) {
    if (clientSecret === undefined) return undefined;
    if (clientId === undefined) throw invalidRequest("The parameter client_id is missing.");
    return { clientId, clientSecret };
  }
  if (clientSecret !== undefined)
    throw invalidRequest("Show the client secret in the header or in the body, not in both.");
  const credentials = basicCredentials(authorization);
  if (credentials === undefined)
    throw invalidClient("The Authorization header must be Basic, with client id and secret.");
  if (clientId !== undefined && clientId !== credentials.clientId)
    throw invalidRequest("The header and client_id name different clients.");
  return credentials;
}

function basicCredentials(authorization: string): Credentials | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization) ?? [];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, "base64").toString();
  const colon = decoded.indexOf(":");
  if (colon < 0) return undefined;
  const clientId = formDecoded(decoded.slice(0, colon));
  const clientSecret = formDecoded(decoded.slice(colon + 1));
  return clientId === undefined || clientSecret === undefined
    ? undefined
    : { clientId, clientSecret };
}

/** Id and secret are form-encoded before they are joined. */
function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
