import { createHash, randomBytes } from "node:crypto";
import type { PasswordHasher } from "../../../src/issuer/index.js";

/** As little work as can be, for tests alone. Counts its runs. */
export class CheapHasher implements PasswordHasher {
  readonly decoy = "cheap$00$none";
  runs = 0;

  async hash(password: string): Promise<string> {
    this.runs += 1;
    const salt = randomBytes(8).toString("hex");
    return `cheap$${salt}$${digest(salt, password)}`;
  }

  async verify(hash: string, password: string): Promise<boolean> {
    this.runs += 1;
    const [, salt = "", expected = ""] = hash.split("$");
    return digest(salt, password) === expected;
  }

  isOutdated(): boolean {
    return false;
  }
}

function digest(salt: string, password: string): string {
  return createHash("sha256").update(salt).update(password).digest("hex");
}
