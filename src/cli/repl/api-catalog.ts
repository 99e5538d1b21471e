/** What can be called, by the OpenRPC document of `rpc.discover`. */

interface Param {
  readonly name: string;
  readonly required: boolean;
  readonly type: unknown;
}

export interface CatalogEntry {
  readonly name: string;
  readonly summary: string;
  readonly params: readonly Param[];
  readonly isSubscription: boolean;
}

/** What a line begins with. */
export const replCommands: ReadonlyMap<string, string> = new Map([
  [".help", "[method]: what there is to call"],
  [".subscribe", "<topic> [params]: print its events as they come"],
  [".unsubscribe", "[topic]: stop that; without a topic, all"],
  [".refresh", "get another token now"],
  [".exit", "leave; so does Ctrl-D"],
]);

const builtins: readonly CatalogEntry[] = [
  { name: "ping", summary: "answers pong", params: [], isSubscription: false },
  { name: "whoami", summary: "the state of the session", params: [], isSubscription: false },
  { name: "rpc.discover", summary: "the OpenRPC document", params: [], isSubscription: false },
];

export class ApiCatalog {
  readonly #entries: ReadonlyMap<string, CatalogEntry>;

  /** `document`: of a server, which may have put anything there. */
  constructor(document?: unknown) {
    const { methods } = Object(document) as { readonly methods?: unknown };
    const found = Array.isArray(methods) ? methods.flatMap(entryOf) : [];
    this.#entries = new Map([...found, ...builtins].map((entry) => [entry.name, entry]));
  }

  get(name: string): CatalogEntry | undefined {
    return this.#entries.get(name);
  }

  /** All that can be called, by name. */
  all(): CatalogEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Completes a line, as `readline` wants it: what fits, and the part that this completes. */
  complete(line: string): [string[], string] {
    const [, first = "", gap = "", rest = ""] = /^(\S*)(\s*)(.*)$/s.exec(line) ?? [];
    if (gap === "") return [startingWith(first, this.#firstWords()), first];
    if (first === ".help") return [startingWith(rest, this.#names()), rest];
    if (first === ".subscribe" || first === ".unsubscribe") {
      if (first === ".subscribe" && /\s/.test(rest)) return this.complete(rest);
      const topics = this.all().filter(({ isSubscription }) => isSubscription);
      const names = topics.map(({ name }) => `${name} `);
      return [startingWith(rest, names), rest];
    }
    return completeParams(rest, this.get(first)?.params ?? []);
  }

  #firstWords(): string[] {
    return [...this.#names(), ...replCommands.keys()].map((word) => `${word} `);
  }

  #names(): string[] {
    return this.all().map(({ name }) => name);
  }
}

function entryOf(method: unknown): CatalogEntry[] {
  const { name, summary, params, ...more } = Object(method) as Record<string, unknown>;
  if (typeof name !== "string") return [];
  return [
    {
      name,
      summary: typeof summary === "string" ? summary : "",
      params: Array.isArray(params) ? params.flatMap(paramOf) : [],
      isSubscription: more["x-subscription"] !== undefined,
    },
  ];
}

function paramOf(param: unknown): Param[] {
  const { name, required, schema } = Object(param) as Record<string, unknown>;
  const { type } = Object(schema) as { readonly type?: unknown };
  return typeof name === "string" ? [{ name, required: required === true, type }] : [];
}

function startingWith(start: string, words: readonly string[]): string[] {
  return words.filter((word) => word.startsWith(start));
}

/** All params that must be there, and then the names of the others. */
function completeParams(rest: string, params: readonly Param[]): [string[], string] {
  const needed = params.filter(({ required }) => required);
  if (rest === "") {
    const members = needed.map(({ name, type }) => `${JSON.stringify(name)}:${sampleOf(type)}`);
    return [params.length === 0 ? [] : [`{${members.join(",")}}`], rest];
  }
  const [, partial] = /^\{(?:.*,)?\s*("?[\w$-]*)$/s.exec(rest) ?? [];
  if (partial === undefined) return [[], rest];
  const names = params
    .map(({ name }) => JSON.stringify(name))
    .filter((name) => !rest.includes(name));
  return [
    startingWith(partial.startsWith('"') ? partial : `"${partial}`, names).map(
      (name) => `${name}:`,
    ),
    partial,
  ];
}

function sampleOf(type: unknown): string {
  if (type === "string") return '""';
  if (type === "number" || type === "integer") return "0";
  if (type === "boolean") return "false";
  if (type === "array") return "[]";
  return type === "object" ? "{}" : "null";
}
