import type { Revocation, RevocationRecords } from "../../auth/revocation/revocation.js";
import { RevocationList } from "../../auth/revocation/revocation-list.js";
import { FamilyTable } from "../family-table.js";
import { isAsExpected } from "../record-shape.js";
import { decideRotation, hasEnded } from "../refresh-token-rotation.js";
import type {
  AttemptCounters,
  ClientRecord,
  ClientRecords,
  ExpectedCredentials,
  FamilyRecord,
  FamilyRecords,
  Rotation,
  RotationOutcome,
  SecretRecords,
  Store,
  UserRecord,
  UserRecords,
} from "../store.js";
import { MemoryRates } from "./memory-rates.js";

/** A store that forgets everything with its process: for tests, and for a first look. */
export function memoryStore(): Store {
  return {
    users: new MemoryUsers(),
    clients: new MemoryClients(),
    families: new MemoryFamilies(),
    attempts: new MemoryAttempts(),
    rates: new MemoryRates(),
    secrets: new MemorySecrets(),
    revocations: new MemoryRevocations(),
    close: async () => {},
  };
}

class MemoryUsers implements UserRecords {
  readonly #records = new Map<string, UserRecord>();

  async add(user: UserRecord): Promise<boolean> {
    if (this.#records.has(user.username)) return false;
    this.#records.set(user.username, structuredClone(user));
    return true;
  }

  async get(username: string): Promise<UserRecord | undefined> {
    return this.#records.get(username);
  }

  async update(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    expected?: ExpectedCredentials,
  ): Promise<boolean> {
    const user = this.#records.get(username);
    if (user === undefined || !isAsExpected(user, expected)) return false;
    this.#records.set(username, { ...user, ...structuredClone(change) });
    return true;
  }

  async remove(username: string): Promise<boolean> {
    return this.#records.delete(username);
  }

  async list(): Promise<readonly UserRecord[]> {
    return [...this.#records.values()].sort((a, b) => (a.username < b.username ? -1 : 1));
  }
}

class MemoryClients implements ClientRecords {
  readonly #records = new Map<string, ClientRecord>();

  async add(client: ClientRecord): Promise<boolean> {
    if (this.#records.has(client.clientId)) return false;
    this.#records.set(client.clientId, structuredClone(client));
    return true;
  }

  async get(clientId: string): Promise<ClientRecord | undefined> {
    return this.#records.get(clientId);
  }

  async remove(clientId: string): Promise<boolean> {
    return this.#records.delete(clientId);
  }

  async list(): Promise<readonly ClientRecord[]> {
    return [...this.#records.values()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  }
}

/** No method awaits between reading and writing: that makes each atomic. */
class MemoryFamilies implements FamilyRecords {
  readonly #table = new FamilyTable();

  async add(family: FamilyRecord, most = Number.POSITIVE_INFINITY): Promise<void> {
    this.#table.put(family);
    for (const id of this.#table.excessOf(family.subject, most)) this.#table.remove(id);
  }

  async get(id: string, now = Number.NEGATIVE_INFINITY): Promise<FamilyRecord | undefined> {
    return this.#find(id, now);
  }

  async rotate(rotation: Rotation): Promise<RotationOutcome> {
    const { result, write } = decideRotation(this.#find(rotation.familyId, rotation.now), rotation);
    if (write !== undefined) this.#table.put(write);
    return result;
  }

  async revoke(id: string): Promise<boolean> {
    const family = this.#table.get(id);
    if (family === undefined || family.revoked) return false;
    this.#table.put({ ...family, revoked: true });
    return true;
  }

  async revokeSubject(subject: string): Promise<number> {
    const meant = this.#table.liveOf(subject);
    for (const family of meant) this.#table.put({ ...family, revoked: true });
    return meant.length;
  }

  async sweep(now: number): Promise<number> {
    const ended = this.#table.ended(now);
    for (const id of ended) this.#table.remove(id);
    return ended.length;
  }

  /** Forgets one that has ended. */
  #find(id: string, now: number): FamilyRecord | undefined {
    const family = this.#table.get(id);
    if (family === undefined || !hasEnded(family, now)) return family;
    this.#table.remove(id);
    return undefined;
  }
}

// some 50 MB, whatever names an attacker tries; above it the oldest is forgotten
const maxAttempts = 262_144;

class MemoryAttempts implements AttemptCounters {
  readonly #counters = new Map<string, { readonly failures: number; readonly lastAt: number }>();

  async get(key: string): Promise<{ readonly failures: number; readonly lastAt: number }> {
    return this.#counters.get(key) ?? { failures: 0, lastAt: 0 };
  }

  async fail(key: string, now: number): Promise<number> {
    const failures = (this.#counters.get(key)?.failures ?? 0) + 1;
    this.#counters.delete(key);
    for (const oldest of this.#counters.keys()) {
      if (this.#counters.size < maxAttempts) break;
      this.#counters.delete(oldest);
    }
    this.#counters.set(key, { failures, lastAt: now });
    return failures;
  }

  async clear(key: string): Promise<void> {
    this.#counters.delete(key);
  }

  async sweep(before: number): Promise<number> {
    const old = [...this.#counters].filter(([, { lastAt }]) => lastAt < before);
    for (const [key] of old) this.#counters.delete(key);
    return old.length;
  }
}

class MemorySecrets implements SecretRecords {
  readonly #values = new Map<string, string>();

  async get(name: string): Promise<string | undefined> {
    return this.#values.get(name);
  }

  async replace(name: string, value: string, expected: string | undefined): Promise<boolean> {
    if (this.#values.get(name) !== expected) return false;
    this.#values.set(name, value);
    return true;
  }
}

/** One for each target: repeating a revocation neither grows the list nor tells anybody. */
class MemoryRevocations implements RevocationRecords {
  readonly #revocations = new RevocationList();
  readonly #listeners = new Set<(revocation: Revocation) => void>();

  async add(revocation: Revocation): Promise<void> {
    if (!this.#revocations.add(revocation)) return;
    for (const listener of this.#listeners) listener(revocation);
  }

  async list(now: number): Promise<readonly Revocation[]> {
    this.#revocations.sweep(now);
    return this.#revocations.values();
  }

  async sweep(now: number): Promise<void> {
    this.#revocations.sweep(now);
  }

  subscribe(listener: (revocation: Revocation) => void): () => void {
    // one function may subscribe twice
    const own = (revocation: Revocation): void => listener(revocation);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }
}
