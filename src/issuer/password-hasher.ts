import { createHmac, randomBytes } from "node:crypto";
import { hash, parseOptions, verify } from "@node-rs/argon2";
import { hasMethods, mustBeSynchronous, withTimeout } from "../runtime/application-code.js";
import type { Clock } from "../runtime/clock.js";

/** Turns passwords into hashes that say how they were made (PHC strings). */
export interface PasswordHasher {
  /** Returns the hash of a password, with its salt and parameters. */
  hash(password: string): Promise<string>;
  /** Throws when the hash isn't one. */
  verify(hash: string, password: string): Promise<boolean>;
  /** Was the hash made with weaker parameters than today's? */
  isOutdated(hash: string): boolean;
  /** A hash that no password fits, and that costs as much to verify as any other. */
  readonly decoy: string;
}

const hasherTimeoutMs = 30_000; // a hash that never ends would keep its slot from every other login

/**
 * The application's hasher, as strict as the own one: anything but `true` is a wrong password, and
 * what is no string no hash.
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

// OWASP Password Storage: 19 MiB, 2 passes, 1 lane
const standard: Argon2Parameters = { memoryKiB: 19_456, passes: 2 };
const singlePassMemory = 47_104; // the other recommended pair: 46 MiB, 1 pass
const maxMemory = 1_048_576; // 1 GiB

/** Fills in the defaults. Throws when the result is weaker than OWASP recommends. */
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

/** argon2id, one lane. With a pepper the password is first put through HMAC-SHA256. */
export function argon2Hasher(
  { memoryKiB, passes }: Argon2Parameters,
  pepper?: Uint8Array,
): PasswordHasher {
  const seasoned = (password: string): string =>
    pepper === undefined
      ? password
      : // argon2 verifies UTF-8 alone
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
const longest = 1_024; // bytes: more would only be work for the hash

/** What is wrong with a new password; undefined: nothing. */
export function passwordProblem(password: string): string | undefined {
  const bytes = Buffer.byteLength(password);
  if (bytes < shortest) return `a password needs at least ${shortest} characters`;
  if (bytes > longest) return `a password may have at most ${longest} bytes`;
  return undefined;
}
