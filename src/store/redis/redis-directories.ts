import { clientShape, isAsExpected, userShape } from "../record-shape.js";
import type {
  ClientRecord,
  ClientRecords,
  ExpectedCredentials,
  UserRecord,
  UserRecords,
} from "../store.js";
import type { RedisExecutor } from "./connection/redis-connection.js";
import { JsonHash } from "./json-hash.js";
import type { RedisKeys } from "./redis-keys.js";

export class RedisUsers implements UserRecords {
  readonly #records: JsonHash<UserRecord>;

  constructor(redis: RedisExecutor, keys: RedisKeys) {
    this.#records = new JsonHash(redis, keys.users, userShape);
  }

  add(user: UserRecord): Promise<boolean> {
    return this.#records.add(user.username, user);
  }

  async get(username: string): Promise<UserRecord | undefined> {
    const user = await this.#records.get(username);
    // a record that was moved by hand is nobody's
    return user?.username === username ? user : undefined;
  }

  update(
    username: string,
    change: Partial<Omit<UserRecord, "username">>,
    expected?: ExpectedCredentials,
  ): Promise<boolean> {
    return this.#records.update(username, (user) =>
      isAsExpected(user, expected) ? { ...user, ...change } : undefined,
    );
  }

  remove(username: string): Promise<boolean> {
    return this.#records.remove(username);
  }

  async list(): Promise<readonly UserRecord[]> {
    return (await this.#records.list()).sort((a, b) => (a.username < b.username ? -1 : 1));
  }
}

export class RedisClients implements ClientRecords {
  readonly #records: JsonHash<ClientRecord>;

  constructor(redis: RedisExecutor, keys: RedisKeys) {
    this.#records = new JsonHash(redis, keys.clients, clientShape);
  }

  add(client: ClientRecord): Promise<boolean> {
    return this.#records.add(client.clientId, client);
  }

  async get(clientId: string): Promise<ClientRecord | undefined> {
    const client = await this.#records.get(clientId);
    return client?.clientId === clientId ? client : undefined;
  }

  remove(clientId: string): Promise<boolean> {
    return this.#records.remove(clientId);
  }

  async list(): Promise<readonly ClientRecord[]> {
    return (await this.#records.list()).sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  }
}
