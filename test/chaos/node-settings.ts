/** What a node in a process of its own is told at its start, in `JOTWIRE_NODE`. */
export interface NodeSettings {
  readonly port: number;
  readonly store: { readonly redis: string } | { readonly folder: string } | "memory";
  /** A file to which each execution of `record` is appended. */
  readonly ledger: string;
  /** Life of an access token, milliseconds. */
  readonly tokenTtl: number;
  /** Milliseconds. Default: the issuer's. */
  readonly reuseWindow?: number;
  /** Milliseconds that clients get after SIGTERM. */
  readonly drain: number;
}

export const password = "correct horse battery";

/** There are so many users, `user-0` and so on: logins of one are counted together. */
export const users = 20;

/** What a node holds. */
export interface NodeFigures {
  readonly connections: number;
  /** Live objects of the classes that come with a connection and must go with it. */
  readonly objects: Readonly<Record<string, number>>;
  /** What keeps the process alive, counted by kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** After garbage collection, bytes. */
  readonly heapUsed: number;
}

/** What the parent asks of a node, and the answer. */
export interface NodeQuestions {
  readonly figures: { readonly asks: null; readonly answers: NodeFigures };
  readonly publish: { readonly asks: number; readonly answers: null };
  readonly addUsers: { readonly asks: null; readonly answers: null };
}

export interface NodeQuestion {
  readonly id: number;
  readonly name: keyof NodeQuestions;
  readonly asks: unknown;
}

export interface NodeAnswer {
  readonly id: number;
  readonly answers?: unknown;
  readonly error?: string;
}
