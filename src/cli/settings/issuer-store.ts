import type { Issuer } from "../../issuer/index.js";
import { createIssuer, fileStore } from "../../issuer/index.js";
import { CliError, codeOf, failingAs, messageOf } from "../cli-error.js";
import { identityIn, type RedisPlace, redisStoreOf } from "./redis-place.js";
import { StateFolder } from "./state-folder.js";

/** Where an issuer's records are: in Redis if one is named, else in the folder. */
export interface IssuerPlace extends RedisPlace {
  readonly state: string;
}

/**
 * Makes this process the one that serves from the folder, and has the signing keys made. Throws a
 * `CliError` when another one does.
 */
export async function takeStore(issuer: Issuer, path: string): Promise<void> {
  try {
    await issuer.store.families.sweep(Math.floor(Date.now() / 1_000)); // a write takes the lock
    await issuer.verification.keys();
  } catch (error) {
    const isInUse = codeOf(error) === "FOLDER_IN_USE";
    const text = isInUse
      ? `${messageOf(error)} (--state)`
      : `${path} can't be served from: ${messageOf(error)}`;
    throw new CliError("configuration", text, { cause: error });
  }
}

/** What `work` gives; when it fails, the folder is free for the next start. */
export function orRelease<T>(issuer: Issuer, work: Promise<T>): Promise<T> {
  return work.catch(async (error: unknown) => {
    await issuer.close();
    throw error;
  });
}

/**
 * Runs one administrative change on the issuer in a state folder or in Redis, beside a server or
 * without one. What the issuer refuses (a name that is taken, a weak password) is a mistake in the
 * usage; what the system refuses, in the configuration.
 */
export async function withIssuer<T>(
  place: IssuerPlace,
  use: (issuer: Issuer, state: StateFolder) => Promise<T>,
): Promise<T> {
  const state = new StateFolder(place.state);
  const shared = await redisStoreOf(place);
  if (shared === undefined) await state.mustExist();
  // without a server so far there are no sessions yet that a change could end
  const identity = (await (shared === undefined ? state.identity() : identityIn(shared))) ?? {
    issuer: "http://localhost:8080",
    audience: "jotwire",
  };
  const issuer = await failingAs("configuration", "", () =>
    createIssuer({ ...identity, store: shared ?? fileStore(state.path) }),
  );
  try {
    return await use(issuer, state);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(codeOf(error) === undefined ? "usage" : "configuration", messageOf(error), {
      cause: error,
    });
  } finally {
    await issuer.close();
  }
}
