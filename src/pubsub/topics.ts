import type { Bus, HistoryOptions, TopicEvent } from "./bus.js";
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
}

interface Topic {
  readonly name: string;
  readonly members: Set<TopicMember>;
}

/** Returns a topic's key on the bus. */
export function topicKey({ route, name }: TopicName): string {
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
    const { members } = this.#byKey.get(key) ?? this.#create(key, topic.name);
    members.add(member);
    return () => {
      members.delete(member);
      if (members.size === 0 && this.#byKey.get(key)?.members === members) this.#byKey.delete(key);
    };
  }

  /** Delivers an event to all members of its topic. */
  event({ topic, data, offset, epoch }: TopicEvent): void {
    const found = this.#byKey.get(topic);
    if (found === undefined) return;
    const push = new EventPush(found.name, data, offset, epoch);
    for (const member of found.members) this.#deliver(push, member);
  }

  /** Reports to all members that events may have been missed. */
  gap(): void {
    for (const { members } of this.#byKey.values()) for (const member of members) member.missed();
  }

  #deliver(push: EventPush, member: TopicMember): void {
    try {
      member.deliver(push);
    } catch (error) {
      this.#failed(error);
    }
  }

  #create(key: string, name: string): Topic {
    const topic = { name, members: new Set<TopicMember>() };
    this.#byKey.set(key, topic);
    return topic;
  }
}

/** What a topic subscription needs. */
export interface TopicServices {
  readonly topics: Topics;
  readonly bus: Pick<Bus, "read">;
}
