/** The scenarios, and what the table says of each. */
import { conflict } from "../scenarios/conflict.ts";
import { expiry } from "../scenarios/expiry.ts";
import { removal } from "../scenarios/removal.ts";
import { restartBy } from "../scenarios/restart.ts";
import { signOut } from "../scenarios/sign-out.ts";
import type { Stage } from "./stage.ts";

/** What one run of a scenario found out. Undefined: it did not happen while the scenario waited. */
export type Findings = Readonly<Record<string, number | boolean | undefined>>;

export interface Scenario {
  readonly title: string;
  readonly run: (stage: Stage) => Promise<Findings>;
  /** What each finding is. Those that end in `Ms` are times. */
  readonly measures: Readonly<Record<string, string>>;
}

const restart = (signal: "SIGTERM" | "SIGKILL"): Scenario => ({
  title: `The server is away for 2 s, after ${signal}, while 20 cards a second are added`,
  run: restartBy(signal),
  measures: {
    refused: "calls refused",
    lost: "calls lost: answered, and not in the database",
    twice: "calls run twice",
    eventsLost: "cards that a watching client never sees",
    eventsTwice: "cards that it sees twice",
    isEqual: "it sees what is in the database in the end",
    liveMs: "until new cards arrive again, after the server is back",
  },
});

export const scenarios: Readonly<Record<string, Scenario>> = {
  removal: {
    title: "A member is removed while 20 cards a second are added",
    run: removal,
    measures: {
      eventsAfter: "later cards that still reach the member",
      toldMs: "until the member is told",
    },
  },
  sigterm: restart("SIGTERM"),
  sigkill: restart("SIGKILL"),
  signOut: {
    title: "A user signs out everywhere, and logs in again",
    run: signOut,
    measures: {
      eventsAfter: "later cards that still reach the other devices",
      toldMs: "until they are told",
      loginMs: "until a new login sees the board",
    },
  },
  expiry: {
    title: "A token expires, and no other is given",
    run: expiry,
    measures: {
      eventsAfter: "later cards that still reach the device",
      toldMs: "until its user is told, after the expiry",
    },
  },
  conflict: {
    title: "Two users move one card at the same time",
    run: conflict,
    measures: {
      moved: "moves that are done",
      told: "users that are told of a conflict",
      isSame: "both see the same in the end",
    },
  },
};
