import type { Bus, HistoryOptions, TopicEvent } from "./bus.js";
import { EventPush } from "./subscription-frames.js";

/** Who hears the events of a topic. */
export interface TopicMember {
  deliver(event: EventPush): void;
  /** Events may have been missed. */
  missed(): void;
}

/** The same name under two routes is two topics. */
export interface TopicName {
  /** The method's wire name. */
  readonly route: string;
  /** What subscribers call it: the subscription's id. */
  readonly name: string;
  readonly history: HistoryOptions | undefined;
}

interface Topic {
  readonly name: string;
  readonly members: Set<TopicMember>;
}

/** A topic's key on the bus. */
export function topicKey({ route, name }: TopicName): string {
  return `${route} ${name}`; // a route has no space
}

/** The topics that somebody on this node listens to: one frame an event, however many listen. */
export class Topics {
  readonly #byKey = new Map<string, Topic>();
  readonly #failed: (error: unknown) => void;

  /** `failed` is told what a member threw: it costs the others nothing. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Returns the function that leaves. */
  join(topic: TopicName, member: TopicMember): () => void {
    const key = topicKey(topic);
    const { members } = this.#byKey.get(key) ?? this.#create(key, topic.name);
    members.add(member);
    return () => {
      members.delete(member);
      if (members.size === 0 && this.#byKey.get(key)?.members === members) this.#byKey.delete(key);
    };
  }

  /** Hands an event to all who listen to its topic. */
  event({ topic, data, offset, epoch }: TopicEvent): void {
    const found = this.#byKey.get(topic);
    if (found === undefined) return;
    const push = new EventPush(found.name, data, offset, epoch);
    for (const member of found.members) this.#deliver(push, member);
  }

  /** Events of any topic may have been missed. */
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

/** What of a bus a subscription to a topic needs. */
export interface TopicServices {
  readonly topics: Topics;
  readonly bus: Pick<Bus, "read">;
}
