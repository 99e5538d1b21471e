import { createHash } from "node:crypto";

/**
 * The keys of one deployment. Names that people gave are hashed, so that a key shows nothing and
 * may hold anything.
 */
export class RedisKeys {
  /** Hash: `id` of the incarnation, `run` of the server, and the sequences of the two streams. */
  readonly deployment: string;
  readonly users: string;
  readonly clients: string;
  readonly secrets: string;
  /** Sorted set: when families end. */
  readonly families: string;
  readonly attempts: string;
  /** Sorted set: when the last failure was. */
  readonly attemptTimes: string;
  readonly revoked: string;
  /** Sorted set: when revocations may be forgotten. */
  readonly revokedUntil: string;
  /** Stream. */
  readonly revocations: string;
  /** Stream. */
  readonly bus: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    const of = (name: string): string => `${prefix}:${name}`;
    this.#prefix = prefix;
    this.deployment = of("deployment");
    this.users = of("users");
    this.clients = of("clients");
    this.secrets = of("secrets");
    this.families = of("families");
    this.attempts = of("attempts");
    this.attemptTimes = of("attempts:at");
    this.revoked = of("revoked");
    this.revokedUntil = of("revoked:until");
    this.revocations = of("revocations");
    this.bus = of("bus");
  }

  /** Hash. */
  family(id: string): string {
    return `${this.familyPrefix}${hashed(id)}`;
  }

  get familyPrefix(): string {
    return `${this.#prefix}:family:`;
  }

  /** Set: the families of one subject. Its name is hashed as a script can do it. */
  familiesOf(subject: string): string {
    return `${this.subjectPrefix}${createHash("sha1").update(subject).digest("hex")}`;
  }

  get subjectPrefix(): string {
    return `${this.#prefix}:subject:`;
  }

  /** Set: fields of the revocations of one session's tokens, for an hour. */
  tokensOf(session: string): string {
    return `${this.#prefix}:revoked:of:${session}`;
  }

  /** Number, for a minute. */
  rate(key: string): string {
    return `${this.#prefix}:rate:${hashed(key)}`;
  }

  /** Hash: epoch and offset. */
  topic(topic: string): string {
    return `${this.#prefix}:topic:${hashed(topic)}`;
  }

  /** List: the last events. */
  history(topic: string): string {
    return `${this.#prefix}:history:${hashed(topic)}`;
  }
}

export function hashed(name: string): string {
  return createHash("sha256").update(name).digest("base64url");
}
