import {
  createIssuer,
  type Issuer,
  type IssuerOptions,
  memoryStore,
} from "../../../src/issuer/index.js";
import { ManualClock } from "../manual-clock.js";
import { CheapHasher } from "./cheap-hasher.js";

/** One line of a log. */
export interface LogLine {
  readonly fields: object;
  readonly message: string;
}

export interface TestIssuer {
  readonly issuer: Issuer;
  readonly clock: ManualClock;
  readonly hasher: CheapHasher;
  readonly log: LogLine[];
}

export interface TestIssuerOptions extends Partial<Omit<IssuerOptions, "testing">> {
  readonly clock?: ManualClock;
}

export const password = "correct horse battery";

/**
 * An issuer with a cheap hash, a manual clock and a memory store, and the user ada (orders:read,
 * orders:write).
 */
export async function openIssuer({
  clock = new ManualClock(),
  ...options
}: TestIssuerOptions = {}): Promise<TestIssuer> {
  const hasher = new CheapHasher();
  const log: LogLine[] = [];
  const write = (fields: object, message: string): void => void log.push({ fields, message });
  const issuer = await createIssuer({
    issuer: "http://localhost:8080",
    audience: "jotwire",
    store: memoryStore(),
    testing: { clock, passwordHasher: hasher },
    logger: { debug: write, info: write, warn: write, error: write },
    ...options,
  });
  await issuer.users.add("ada", password, {
    scopes: ["orders:read", "orders:write"],
    claims: { role: "admin" },
  });
  hasher.runs = 0;
  return { issuer, clock, hasher, log };
}

/** The claims of a token, unverified. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

/** The header of a token, unverified. */
export function headerOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
}
