import { type Message, membersOf, messagesIn, stringIn } from "../message.js";
import { maskedFrame } from "../session/mask.js";
import { Store } from "../store.js";
import { type Pace, paced } from "./pace.js";

export type Direction = "out" | "in" | "note";
export type Topic = "call" | "auth" | "event" | "note";
export type Tone = "plain" | "good" | "warn" | "bad";

/** One line of the timeline: a frame, or a note about what happened around frames. */
export interface Entry {
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly direction: Direction;
  readonly topic: Topic;
  readonly title: string;
  readonly tone: Tone;
  /** What was sent, without secrets. */
  readonly text: string;
  /** Bytes on the wire; 0 for a note. */
  readonly size: number;
  /** Number of the request that a response answers. */
  readonly answers?: number;
  /** Milliseconds from the request to this response. */
  readonly took?: number;
  /** Pushes with nothing else between them are of one run. */
  readonly run: number;
  /** 2 for the second entry with this title and direction in the run, and so on. */
  readonly repeat: number;
}

interface Asked {
  readonly number: number;
  readonly at: number;
  readonly method: string;
}

const maxEntries = 1_000;
const maxCharacters = 4_000_000; // of all entries together
const longestText = 100_000; // of one entry
const maxTitles = 1_000; // of one run; the next title begins another
const authNames = /^(authenticate|refresh|logout|whoami|auth\..+|connection\..+)$/;

/** What went over the socket, the newest last; bounded in entries and in characters. */
export class Timeline {
  /** Grows with every change. */
  readonly version = new Store(0);
  #entries: Entry[] = [];
  #characters = 0;
  #count = 0;
  #run = 0;
  #repeats = new Map<string, number>(); // of the newest run, by direction and title
  readonly #asked = new Map<string, Asked>();
  readonly #tell: () => void;

  constructor(pace: Pace) {
    this.#tell = paced(() => this.version.set(this.version.value + 1), pace);
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  frame(direction: "out" | "in", text: string): void {
    const messages = messagesIn(text);
    const now = performance.now();
    const number = this.#count + 1;
    const answered =
      direction === "in"
        ? messages.map((message) => this.#answeredBy(message)).find((asked) => asked !== undefined)
        : undefined;
    const method = answered?.method ?? methodOf(messages);
    if (direction === "out") this.#remember(messages, number, now);
    this.#add({
      direction,
      topic: topicOf(method, messages),
      title: messages.length > 1 ? `batch of ${messages.length}` : (topicIn(messages) ?? method),
      tone: messages.some(({ error }) => error !== undefined) ? "bad" : toneOf(method),
      text: maskedFrame(text),
      size: new TextEncoder().encode(text).length,
      ...(answered === undefined ? {} : { answers: answered.number, took: now - answered.at }),
    });
  }

  note(title: string, tone: Tone = "plain", text = ""): void {
    this.#add({ direction: "note", topic: "note", title, tone, text, size: 0 });
  }

  /** The socket is gone: what was asked on it won't be answered. */
  forgetAsked(): void {
    this.#asked.clear();
  }

  clear(): void {
    this.#entries = [];
    this.#characters = 0;
    this.#startRun();
    this.#tell();
  }

  /** JSON of all entries; secrets were left out when they were recorded. */
  export(): string {
    return JSON.stringify(
      { exported: new Date().toISOString(), entries: this.#entries.map(exported) },
      null,
      2,
    );
  }

  #add(entry: Omit<Entry, "number" | "at" | "run" | "repeat">): void {
    const text =
      entry.text.length > longestText ? `${entry.text.slice(0, longestText)}…` : entry.text;
    const repeat = this.#repeatOf(entry);
    const run = this.#run;
    this.#entries.push({ ...entry, text, number: ++this.#count, at: Date.now(), run, repeat });
    this.#characters += text.length;
    let dropped = 0;
    while (this.#entries.length - dropped > maxEntries || this.#characters > maxCharacters) {
      this.#characters -= this.#entries[dropped++]?.text.length ?? 0;
    }
    if (dropped > 0) this.#entries.splice(0, dropped);
    this.#tell();
  }

  #repeatOf({ topic, direction, title }: Pick<Entry, "topic" | "direction" | "title">): number {
    if (topic !== "event" || this.#repeats.size >= maxTitles) this.#startRun();
    if (topic !== "event") return 1;
    const name = `${direction} ${title}`;
    const repeat = (this.#repeats.get(name) ?? 0) + 1;
    this.#repeats.set(name, repeat);
    return repeat;
  }

  #startRun(): void {
    this.#run++;
    this.#repeats.clear();
  }

  #remember(messages: readonly Message[], number: number, at: number): void {
    for (const { id, method } of messages) {
      if (id === undefined || this.#asked.size >= maxEntries) continue;
      this.#asked.set(JSON.stringify(id), { number, at, method: String(method) });
    }
  }

  #answeredBy({ id, method }: Message): Asked | undefined {
    if (id === undefined || method !== undefined) return undefined;
    const key = JSON.stringify(id);
    const asked = this.#asked.get(key);
    this.#asked.delete(key);
    return asked;
  }
}

function methodOf(messages: readonly Message[]): string {
  const method = messages.find((message) => typeof message.method === "string")?.method;
  return typeof method === "string" ? method : messages.length === 0 ? "not JSON" : "response";
}

/** The subscription's id, such as `prices:A1`: a better title than the same method each time. */
function topicIn([{ method, params } = {}]: readonly Message[]): string | undefined {
  return method === "subscription.event" ? stringIn(membersOf(params).subscription) : undefined;
}

function topicOf(method: string, messages: readonly Message[]): Topic {
  if (authNames.test(method)) return "auth";
  return messages.length > 0 &&
    messages.every(({ id, method: own }) => id === undefined && own !== undefined)
    ? "event"
    : "call";
}

function toneOf(method: string): Tone {
  if (method === "auth.expired" || method === "connection.closing") return "bad";
  return method === "auth.expiring" ||
    method === "auth.refreshRequired" ||
    method === "auth.required"
    ? "warn"
    : "plain";
}

function exported({ text, at, run, repeat, ...entry }: Entry): object {
  return { ...entry, at: new Date(at).toISOString(), frame: text === "" ? null : parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return membersOf(JSON.parse(text));
  } catch {
    return text;
  }
}
