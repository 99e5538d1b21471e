import type { Tally } from "./tally.js";

export interface ChaosSettings {
  /** SDK clients under load. */
  readonly clients: number;
  /** How often each fault is done. */
  readonly times: number;
  /** Of the soak. */
  readonly minutes: number;
  /** Refresh races. */
  readonly races: number;
}

/** One kind of harm. */
export interface Fault {
  readonly name: string;
  /** Why it can't be done on this machine; undefined: it can. */
  readonly obstacle?: () => string | undefined;
  /**
   * Does it, judges, and says in a few words how often, and to what. Ends what it has started, also
   * when it fails.
   */
  readonly run: (settings: ChaosSettings, tally: Tally) => Promise<string>;
}
