/** Why a call failed, in one line that says what to do about it. */
import {
  DisconnectedError,
  JotwireError,
  RpcError,
  SubscriptionEndedError,
  UpgradeRefusedError,
} from "../../../client/node.js";
import { CliError, codeOf, messageOf } from "../cli-error.js";
import { decodeToken, expiryText, secondsLeft } from "./decoded-token.js";

/** Closes after which nobody comes back by themselves. */
const finalCloses: ReadonlyMap<string, string> = new Map([
  ["kicked", "an administrator has ended this session"],
  ["replaced", "a newer connection of this user has taken its place"],
]);

/** What was tried. */
export interface Attempt {
  readonly url: URL;
  /** The one that was given, if any; not one that was got by logging in. */
  readonly token: string | undefined;
}

/** The members of `error.data` that say more; a server may have put anything there. */
interface Words {
  readonly detail?: unknown;
  readonly hint?: unknown;
  readonly missing?: unknown;
  readonly temporary?: unknown;
}

const tokenReasons: ReadonlySet<string> = new Set([
  "token_expired",
  "token_invalid",
  "token_revoked",
  "token_refused",
  "subject_mismatch",
]);

/** Returns whether this reason of a lost connection says that the token is of no use. */
export function isAboutToken(reason: string): boolean {
  return tokenReasons.has(reason);
}

/** What isn't a failure of the call is given back as it is. */
export function explainFailure(error: unknown, attempt: Attempt): unknown {
  if (error instanceof RpcError) return explainAnswer(error, attempt);
  if (error instanceof DisconnectedError) return explainLoss(error, attempt);
  if (error instanceof SubscriptionEndedError) return explainEnd(error);
  if (error instanceof JotwireError && error.code === "timeout")
    return new CliError("connection", "no answer in time: raise --timeout");
  return error;
}

function explainAnswer(answer: RpcError, { token }: Attempt): CliError {
  const { code, rpcCode, message, data } = answer;
  if (tokenReasons.has(code))
    return new CliError(
      "authentication",
      `${rpcCode} ${message} (${code}): ${tokenAdvice(code, data, token)}`,
    );
  if (code === "unauthenticated") {
    const advice = token === undefined ? ": give --user <name>, or a token in JOTWIRE_TOKEN" : "";
    return new CliError("authentication", `${rpcCode} ${message} (${code})${advice}`);
  }
  if (code === "forbidden")
    return new CliError("answer", `${rpcCode} ${message}: ${scopeAdvice(data)}`);
  const text = data === undefined || data === null ? "" : ` ${JSON.stringify(data)}`;
  const advice = code === "internal_error" ? ": look the errorId up in the server's log" : "";
  return new CliError("answer", `${rpcCode} ${message}${text}${advice}`);
}

function explainEnd({ reason, rpcCode }: SubscriptionEndedError): CliError {
  if (reason === "forbidden")
    return new CliError(
      "answer",
      "the subscription has ended (forbidden): the new token no longer allows it",
    );
  if (reason === "logout")
    return new CliError("authentication", "the subscription has ended (logout): log in again");
  const code = rpcCode === undefined ? "" : ` ${rpcCode}`;
  return new CliError(
    "answer",
    `the subscription has ended (${reason}${code}): the cause is in the server's log`,
  );
}

function scopeAdvice(data: unknown): string {
  const { missing, hint } = Object(data) as Words;
  const lack =
    Array.isArray(missing) && missing.length > 0
      ? `the token lacks ${missing.join(", ")}`
      : undefined;
  return (
    [lack, hint].filter((part) => part !== undefined).join("; ") || "the token does not allow this"
  );
}

function explainLoss(
  { reason, closeCode, cause }: DisconnectedError,
  { url, token }: Attempt,
): CliError {
  if (cause instanceof CliError) return cause; // of logging in again
  if (cause instanceof RpcError) return explainRefusal(cause, token);
  if (cause instanceof DisconnectedError) return explainLoss(cause, { url, token });
  if (cause instanceof UpgradeRefusedError) return explainUpgrade(cause);
  const code =
    // RFC 6455 §7.4.1: 1006 says nothing
    closeCode === undefined || closeCode === 1000 || closeCode === 1006 ? "" : `${closeCode} `;
  if (tokenReasons.has(reason)) {
    return new CliError(
      "authentication",
      `the token was refused (${code}${reason}): ${tokenAdvice(reason, undefined, token)}`,
    );
  }
  const final = finalCloses.get(reason);
  if (final !== undefined)
    return new CliError(
      "connection",
      `the server closed the connection (${code}${reason}): ${final}`,
    );
  return new CliError(
    "connection",
    socketText(url, cause) ?? `no connection (${code}${reason}): is the server running there?`,
  );
}

/** The server didn't take the token. */
function explainRefusal(
  { code, rpcCode, message, data }: RpcError,
  token: string | undefined,
): CliError {
  const { temporary, hint } = Object(data) as Words;
  if (temporary === true) {
    return new CliError(
      "connection",
      `${rpcCode} ${message} (${code}): ${typeof hint === "string" ? hint : "try again later"}`,
    );
  }
  return new CliError(
    "authentication",
    `the token was refused (${rpcCode} ${code}): ${tokenAdvice(code, data, token)}`,
  );
}

function tokenAdvice(reason: string, data: unknown, token: string | undefined): string {
  const { detail, hint } = Object(data) as Words;
  if (typeof detail === "string") return detail;
  if (reason === "token_revoked") return "log in again";
  const left = token === undefined ? undefined : timeLeft(token);
  if (left === "no token") return "it is no JWT";
  if (left !== undefined && left <= 0)
    return `it ${expiryText(left)}; a new one: jotwire token --user <name>`;
  if (typeof hint === "string") return hint;
  return "the cause is in the server's log";
}

/** Seconds until it expires; undefined: it never does. */
function timeLeft(token: string): number | "no token" | undefined {
  try {
    return secondsLeft(decodeToken(token));
  } catch (error) {
    if (error instanceof CliError) return "no token";
    throw error;
  }
}

function explainUpgrade({
  status,
  hint = "is that the URL of a jotwire server, and its path?",
}: UpgradeRefusedError): CliError {
  return new CliError("connection", `connection refused by the server (HTTP ${status}): ${hint}`);
}

/** What the system says about a socket that never opened. */
function socketText({ origin, pathname, hostname }: URL, cause: unknown): string | undefined {
  const code = codeOf(cause);
  const place = `${origin}${pathname}`; // without the query, in which somebody may have put a token
  if (code === undefined) return undefined;
  if (code === "ECONNREFUSED")
    return `nothing listens at ${place} (${code}): is the server running?`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `${hostname} can't be found (${code}): is the host's name right?`;
  return `no connection to ${place} (${code}): ${messageOf(cause) || "is the network up?"}`;
}
