import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { RevocationRecords } from "../../auth/revocation/revocation.js";
import { type Clock, systemClock } from "../../runtime/clock.js";
import { refuseUnknownOptions } from "../../runtime/known-options.js";
import { MemoryRates } from "../memory/memory-rates.js";
import { clientShape, isAsExpected, userShape } from "../record-shape.js";
import type {
  AttemptCounters,
  ClientRecord,
  ClientRecords,
  ExpectedCredentials,
  FamilyRecords,
  RateCounters,
  SecretRecords,
  Store,
  UserRecord,
  UserRecords,
} from "../store.js";
import { removeLeftOvers } from "./atomic-file.js";
import { AttemptBuckets } from "./attempt-buckets.js";
import { FamilyLog } from "./family-log.js";
import { FileHistoryLog } from "./file-history-log.js";
import { KeyMutex } from "./key-mutex.js";
import { releaseLock, takeLock, withLock } from "./lock-file.js";
import { RecordFolder } from "./record-folder.js";
import { RevocationLog } from "./revocation-log.js";

/** What `fileStore` takes besides its folder. */
export interface FileStoreOptions {
  /** Seams for tests; never set them in production. */
  readonly testing?: FileStoreTesting;
}

/** What a test may put in the place of the machine. */
export interface FileStoreTesting {
  /**
   * Times the look for other processes' revocations.
   * @default the machine's clocks
   */
  readonly clock?: Clock;
}

/**
 * Keeps everything in one folder (mode 0700): a file (0600) for each user, client and secret, and
 * journals of refresh families and of revocations, which are in memory too, and the histories of
 * topics. Users, clients and revocations may be changed by other processes on the same folder while
 * a server runs. Families, counters and secrets belong to one server process: the first write takes
 * a lock, and rejects with the code `FOLDER_IN_USE` when another process has it. The folder is
 * made, or if it is empty made private, when the store is first used; nothing is touched before.
 * One with something in it that others may enter is refused.
 */
export function fileStore(folder: string, options: FileStoreOptions = {}): Store {
  refuseUnknownOptions("fileStore", options, { testing: true });
  return new FileStore(resolve(folder), options.testing?.clock ?? systemClock);
}

async function isOpenToOthers(folder: string): Promise<boolean> {
  // modes say nothing there
  return process.platform !== "win32" && ((await stat(folder)).mode & 0o077) !== 0;
}

/**
 * What is wrong with who may enter a state folder, and what to do; undefined: nothing, or there is
 * nothing in it yet, or no such folder.
 */
export async function modeComplaint(folder: string): Promise<string | undefined> {
  if (process.platform === "win32") return undefined; // modes say nothing there
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined || (found.mode & 0o077) === 0 || (await readdir(folder)).length === 0)
    return undefined;
  return `other users of this machine may enter the state folder ${folder} (mode ${(found.mode & 0o777).toString(8)}): chmod 700 ${folder}`;
}

/** Another process serves from the folder. Its `code` tells it from what the system refuses. */
class FolderInUseError extends Error {
  override readonly name = "FolderInUseError";
  readonly code = "FOLDER_IN_USE";

  constructor(pid: number, folder: string, lock: string) {
    super(
      `process ${pid} already serves from ${folder}: stop it (or delete ${lock} there, if that is no jotwire server), ` +
        "or give this server another folder",
    );
  }
}

class FileStore implements Store {
  readonly users: UserRecords;
  readonly clients: ClientRecords;
  readonly families: FamilyRecords;
  readonly attempts: AttemptCounters;
  readonly rates: RateCounters = new MemoryRates();
  readonly secrets: SecretRecords;
  readonly revocations: RevocationRecords;
  readonly history: FileHistoryLog;
  readonly #families: FamilyLog;
  readonly #revocations: RevocationLog;
  readonly #folder: string;
  readonly #lock: string;
  readonly #folders: readonly string[];
  readonly #secretFiles: RecordFolder<SecretFile>;
  #opening: Promise<void> | undefined;
  #locking: Promise<void> | undefined;

  constructor(folder: string, clock: Clock) {
    const of = (name: string): string => join(folder, name);
    const open = (): Promise<void> => this.#open();
    const lock = (): Promise<void> => this.#takeLock();
    this.#folder = folder;
    this.#lock = of("server.lock");
    this.#folders = [
      folder,
      ...["users", "clients", "families", "attempts", "secrets", "revocations", "history"].map(of),
    ];
    this.#secretFiles = new RecordFolder<SecretFile>(of("secrets"), {
      name: "string",
      value: "string",
    });
    this.#families = new FamilyLog(of("families"), open, lock);
    this.#revocations = new RevocationLog(of("revocations"), clock, open);
    this.users = new FileUsers(of("users"), open);
    this.clients = new FileClients(of("clients"), open);
    this.families = this.#families;
    this.attempts = new AttemptBuckets(of("attempts"), lock);
    this.secrets = new FileSecrets(this.#secretFiles, open, lock);
    this.revocations = this.#revocations;
    this.history = new FileHistoryLog(of("history"), open);
  }

  async close(): Promise<void> {
    this.#revocations.close();
    await this.#families.close();
    await this.history.close();
    if (this.#locking === undefined) return;
    this.#locking = undefined;
    await releaseLock(this.#lock);
  }

  /** Once; after a failure, anew at the next use. */
  #open(): Promise<void> {
    this.#opening ??= this.#prepareFolders().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #prepareFolders(): Promise<void> {
    const complaint = await modeComplaint(this.#folder);
    if (complaint !== undefined) throw new Error(complaint);
    for (const folder of this.#folders) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await removeLeftOvers(folder);
    }
    // it was there, and empty
    if (await isOpenToOthers(this.#folder)) await chmod(this.#folder, 0o700);
    await this.#secretFiles.refuseReadable();
  }

  #takeLock(): Promise<void> {
    this.#locking ??= this.#lockServer().catch((error: unknown) => {
      this.#locking = undefined;
      throw error;
    });
    return this.#locking;
  }

  async #lockServer(): Promise<void> {
    await this.#open();
    const lock = await takeLock(this.#lock);
    if (lock.holder === "us") return;
    throw new FolderInUseError(lock.pid, this.#folder, basename(this.#lock));
  }
}

class FileUsers implements UserRecords {
  readonly #folder: RecordFolder<UserRecord>;
  readonly #open: () => Promise<void>;

  constructor(path: string, open: () => Promise<void>) {
    this.#open = open;
    this.#folder = new RecordFolder<UserRecord>(path, userShape);
  }

  async add(user: UserRecord): Promise<boolean> {
    await this.#open();
    return this.#folder.create(user.username, user);
  }

  async get(username: string): Promise<UserRecord | undefined> {
    await this.#open();
    return this.#folder.read(username);
  }

  /** Under a lock file: the command line may set a password while a server rehashes the old one. */
  async update(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    expected?: ExpectedCredentials,
  ): Promise<boolean> {
    await this.#open();
    return withLock(this.#folder.lockPath(username), async () => {
      const user = await this.#folder.read(username);
      if (user === undefined || !isAsExpected(user, expected)) return false;
      await this.#folder.write(username, { ...user, ...change });
      return true;
    });
  }

  async remove(username: string): Promise<boolean> {
    await this.#open();
    return withLock(this.#folder.lockPath(username), () => this.#folder.remove(username));
  }

  async list(): Promise<readonly UserRecord[]> {
    await this.#open();
    return (await this.#folder.list()).sort((a, b) => (a.username < b.username ? -1 : 1));
  }
}

class FileClients implements ClientRecords {
  readonly #folder: RecordFolder<ClientRecord>;
  readonly #open: () => Promise<void>;

  constructor(path: string, open: () => Promise<void>) {
    this.#open = open;
    this.#folder = new RecordFolder<ClientRecord>(path, clientShape);
  }

  async add(client: ClientRecord): Promise<boolean> {
    await this.#open();
    return this.#folder.create(client.clientId, client);
  }

  async get(clientId: string): Promise<ClientRecord | undefined> {
    await this.#open();
    return this.#folder.read(clientId);
  }

  async remove(clientId: string): Promise<boolean> {
    await this.#open();
    return this.#folder.remove(clientId);
  }

  async list(): Promise<readonly ClientRecord[]> {
    await this.#open();
    return (await this.#folder.list()).sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  }
}

interface SecretFile {
  readonly name: string;
  readonly value: string;
}

class FileSecrets implements SecretRecords {
  readonly #folder: RecordFolder<SecretFile>;
  readonly #mutex = new KeyMutex();
  readonly #open: () => Promise<void>;
  readonly #lock: () => Promise<void>;

  constructor(
    folder: RecordFolder<SecretFile>,
    open: () => Promise<void>,
    lock: () => Promise<void>,
  ) {
    this.#folder = folder;
    this.#open = open;
    this.#lock = lock;
  }

  async get(name: string): Promise<string | undefined> {
    await this.#open();
    return (await this.#folder.read(name))?.value;
  }

  async replace(name: string, value: string, expected: string | undefined): Promise<boolean> {
    await this.#lock();
    return this.#mutex.run(name, async () => {
      if ((await this.#folder.read(name))?.value !== expected) return false;
      await this.#folder.write(name, { name, value });
      return true;
    });
  }
}
