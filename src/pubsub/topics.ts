import type { Bus, HistoryOptions, TopicEvent } from "./bus.js";
import { type LogSource, LogTail } from "./log-tail.js";
import { EventPush } from "./subscription-frames.js";

/** A subscriber of a topic on this node. */
export interface TopicMember {
  deliver(event: EventPush): void;
  /** Called if events may have been missed. */
  missed(): void;
}

/** Identifies a topic. The same name under two routes is two topics. */
export interface TopicName {
  /** The method's wire name. */
  readonly route: string;
  /** The name for subscribers, which is the subscription's id. */
  readonly name: string;
  readonly history: HistoryOptions | undefined;
  /** The application's own log of the topic. */
  readonly log?: LogSource | undefined;
}

interface Topic {
  readonly name: string;
  readonly members: Set<TopicMember>;
  /** Follows the application's own log, if the topic has one. */
  readonly tail: LogTail | undefined;
}

/** An event of the application's own log, as the bus carries it: JSON. */
export function loggedEvent(offset: number, data: string): string {
  return `[${offset},${data}]`;
}

/** Returns a topic's key on the bus. */
export function topicKey({ route, name }: Pick<TopicName, "route" | "name">): string {
  return `${route} ${name}`; // unambiguous, since a route has no space
}

/** The topics with subscribers on this node. Encodes each event once for all subscribers. */
export class Topics {
  readonly #byKey = new Map<string, Topic>();
  readonly #failed: (error: unknown) => void;

  /** @param failed called with the error of a member, which does not affect the others */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Adds a member to a topic. Returns the function that removes it. */
  join(topic: TopicName, member: TopicMember): () => void {
    const key = topicKey(topic);
    const { members, tail } = this.#byKey.get(key) ?? this.#create(key, topic);
    members.add(member);
    return () => {
      members.delete(member);
      if (members.size > 0 || this.#byKey.get(key)?.members !== members) return;
      this.#byKey.delete(key);
      tail?.close();
    };
  }

  /** Delivers an event to all members of its topic. */
  event({ topic, data, offset, epoch }: TopicEvent): void {
    const found = this.#byKey.get(topic);
    if (found === undefined) return;
    if (found.tail !== undefined) return found.tail.published(data);
    this.#tell(found.members, new EventPush(found.name, data, offset, epoch));
  }

  /** Reports to all members that events may have been missed. */
  gap(): void {
    for (const { members, tail } of this.#byKey.values())
      if (tail !== undefined) tail.gap();
      else for (const member of members) member.missed();
  }

  /** What follows the application's own log of a topic that has a member. */
  tail(topic: TopicName): LogTail | undefined {
    return this.#byKey.get(topicKey(topic))?.tail;
  }

  #tell(members: ReadonlySet<TopicMember>, push: EventPush): void {
    for (const member of members) this.#deliver(push, member);
  }

  #deliver(push: EventPush, member: TopicMember): void {
    try {
      member.deliver(push);
    } catch (error) {
      this.#failed(error);
    }
  }

  #create(key: string, { name, log }: TopicName): Topic {
    const members = new Set<TopicMember>();
    const tail =
      log &&
      new LogTail(log, {
        event: ({ data, offset }, epoch) =>
          this.#tell(members, new EventPush(name, data, offset, epoch)),
        missed() {
          for (const member of members) member.missed();
        },
      });
    const topic = { name, members, tail };
    this.#byKey.set(key, topic);
    return topic;
  }
}

/** What a topic subscription needs. */
export interface TopicServices {
  readonly topics: Topics;
  readonly bus: Pick<Bus, "read">;
}
