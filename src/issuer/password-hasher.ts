import { createHmac, randomBytes } from "node:crypto";
import { hash, parseOptions, verify } from "@node-rs/argon2";
import { hasMethods, mustBeSynchronous, withTimeout } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";

/** Hashes passwords into PHC strings, which contain the parameters of the hash. */
export interface PasswordHasher {
  /** Returns the hash of a password, with its salt and parameters. */
  hash(password: string): Promise<string>;
  /** Resolves to whether the password fits the hash. Rejects if the hash is invalid. */
  verify(hash: string, password: string): Promise<boolean>;
  /** Returns whether the hash has weaker parameters than the current ones. */
  isOutdated(hash: string): boolean;
  /** A hash that no password fits, with the same cost of verification as any other. */
  readonly decoy: string;
}

const hasherTimeoutMs = 30_000; // a hash that never ends would block its slot for all other logins

/**
 * Wraps the application's hasher: takes any result but `true` for a wrong password, and rejects a
 * hash that is not a string.
 */
export function strictHasher(hasher: PasswordHasher, clock: Clock): PasswordHasher {
  if (!hasMethods(hasher, ["hash", "verify", "isOutdated"]) || typeof hasher.decoy !== "string")
    throw new TypeError(
      "passwordHasher must have the methods hash, verify and isOutdated, and the string decoy",
    );
  const inTime = <T>(work: PromiseLike<T>, what: string) =>
    withTimeout(work, hasherTimeoutMs, clock, `passwordHasher.${what}`);
  return {
    async hash(password) {
      const hashed: unknown = await inTime(hasher.hash(password), "hash");
      if (typeof hashed === "string") return hashed;
      throw new TypeError("passwordHasher.hash must resolve to a string");
    },
    verify: async (hash, password) =>
      (await inTime(hasher.verify(hash, password), "verify")) === true,
    isOutdated: (hash) =>
      mustBeSynchronous(hasher.isOutdated(hash), "passwordHasher.isOutdated") === true,
    decoy: hasher.decoy,
  };
}

/** Cost of argon2id (RFC 9106 §3.1). */
export interface Argon2Parameters {
  /** Memory of one hash, KiB. */
  readonly memoryKiB: number;
  /** Passes over the memory. */
  readonly passes: number;
}

// OWASP Password Storage: 19 MiB, 2 passes, parallelism 1
const standard: Argon2Parameters = { memoryKiB: 19_456, passes: 2 };
const singlePassMemory = 47_104; // the other recommended pair: 46 MiB, 1 pass
const maxMemory = 1_048_576; // 1 GiB

/** Fills in the defaults. Throws if the result is weaker than OWASP recommends. */
export function checkedParameters(given: Partial<Argon2Parameters>): Argon2Parameters {
  const parameters = { ...standard, ...given };
  const { memoryKiB, passes } = parameters;
  const areNumbers =
    Number.isInteger(memoryKiB) &&
    Number.isInteger(passes) &&
    memoryKiB <= maxMemory &&
    passes <= 100;
  const strongEnough =
    (memoryKiB >= standard.memoryKiB && passes >= standard.passes) ||
    (memoryKiB >= singlePassMemory && passes >= 1);
  if (areNumbers && strongEnough) return parameters;
  throw new Error(
    `passwordHashing must be at least ${standard.memoryKiB} KiB with ${standard.passes} passes, or ${singlePassMemory} KiB with 1`,
  );
}

/**
 * Hashes with argon2id and parallelism 1. With a pepper, hashes the HMAC-SHA256 of the password.
 */
export function argon2Hasher(
  { memoryKiB, passes }: Argon2Parameters,
  pepper?: Uint8Array,
): PasswordHasher {
  const seasoned = (password: string): string =>
    pepper === undefined
      ? password
      : // encoded, since verify accepts only UTF-8
        createHmac("sha256", pepper).update(password).digest("base64url");
  return {
    hash: (password) =>
      hash(seasoned(password), { memoryCost: memoryKiB, timeCost: passes, parallelism: 1 }),
    verify: (phc, password) => verify(phc, seasoned(password)),
    isOutdated: (phc) => {
      const { memoryCost, timeCost } = parseOptions(phc);
      return memoryCost < memoryKiB || timeCost < passes;
    },
    decoy: `$argon2id$v=19$m=${memoryKiB},t=${passes},p=1$${unpadded(randomBytes(16))}$${unpadded(randomBytes(32))}`,
  };
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

const shortest = 8; // bytes
const longest = 1_024; // bytes; bounds the work of the hash

/** Returns what is wrong with a new password, or `undefined`. */
export function passwordProblem(password: string): string | undefined {
  const bytes = Buffer.byteLength(password);
  if (bytes < shortest) return `a password needs at least ${shortest} characters`;
  if (bytes > longest) return `a password may have at most ${longest} bytes`;
  return undefined;
}
