import { randomBytes } from "node:crypto";
import type { Clock } from "../../runtime/clock.js";
import { sameDigest } from "../../store/refresh-token-rotation.js";
import type { ClientRecord, ClientRecords } from "../../store/store.js";
import { hashOf } from "../digest.js";
import type { Revoker } from "../revoker.js";
import { checkedScopes } from "./scope-rules.js";

/** A client, without its secret. */
export interface Client {
  /** The id with which the client logs in. */
  readonly clientId: string;
  /** The scopes that the client may ask for. */
  readonly scopes: readonly string[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What `issuer.clients.add` takes. */
export interface NewClient {
  /**
   * The secret of the client.
   * @default a random one
   */
  readonly clientId?: string;
  /** The scopes that the client may ask for. */
  readonly scopes: readonly string[];
}

/** The `sub` of a client's own tokens (RFC 9068 §5): never a user's name. */
export function subjectOfClient(clientId: string): string {
  return `client:${clientId}`;
}

/** The one client of all logins; it has no secret (RFC 6749 §2.1, public). */
export const firstPartyClient = "jotwire";

const clientIdPattern = /^[\x21-\x7e]{1,128}$/;

/** OAuth clients that get tokens for themselves (RFC 6749 §4.4). */
export class ClientDirectory {
  readonly #clients: ClientRecords;
  readonly #revoker: Revoker;
  readonly #clock: Clock;

  constructor(clients: ClientRecords, revoker: Revoker, clock: Clock) {
    this.#clients = clients;
    this.#revoker = revoker;
    this.#clock = clock;
  }

  /** The secret is shown this once. Throws when the id is taken or a scope is malformed. */
  async add({
    clientId,
    scopes,
  }: NewClient): Promise<{ readonly clientId: string; readonly clientSecret: string }> {
    const id = clientId ?? randomBytes(16).toString("base64url");
    if (!clientIdPattern.test(id))
      throw new Error("a client id has 1 to 128 visible ASCII characters");
    const clientSecret = randomBytes(32).toString("base64url");
    const record = {
      clientId: id,
      secretHash: hashOf(clientSecret),
      scopes: checkedScopes(scopes),
      createdAt: Math.floor(this.#clock.now() / 1_000),
    };
    const isTaken = id === firstPartyClient || !(await this.#clients.add(record));
    if (isTaken) throw new Error(`client ${JSON.stringify(id)} exists already: choose another id`);
    return { clientId: id, clientSecret };
  }

  /** Revokes the client's tokens too. Throws when there is no such client. */
  async remove(clientId: string): Promise<void> {
    if (!(await this.#clients.remove(clientId)))
      throw new Error(`there is no client ${JSON.stringify(clientId)}`);
    await this.#revoker.subject(
      subjectOfClient(clientId),
      Math.floor(this.#clock.now() / 1_000),
      "client removed",
    );
  }

  /** Sorted by id. */
  async list(): Promise<readonly Client[]> {
    return (await this.#clients.list()).map(({ clientId, scopes, createdAt }) => ({
      clientId,
      scopes,
      createdAt: createdAt * 1_000,
    }));
  }

  /** The client that shows its secret. Undefined: unknown, or another secret. */
  async authenticate(clientId: string, clientSecret: string): Promise<ClientRecord | undefined> {
    const client = await this.#clients.get(clientId);
    const isRight = sameDigest(hashOf(clientSecret), client?.secretHash ?? hashOf(""));
    return isRight ? client : undefined;
  }
}
