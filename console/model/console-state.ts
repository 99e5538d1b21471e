import type { ClientState } from "../../client/index.js";
import type { Notices } from "./notices.js";
import type { Method } from "./open-rpc.js";
import type { DecodedToken } from "./session/decoded-token.js";

export interface DeskState {
  /** `log-in`: nobody has yet; `work`: somebody has, even if the session is over. */
  readonly view: "log-in" | "work";
  readonly client: ClientState;
  /** Refreshing is held back, so that the session expires. */
  readonly isHeld: boolean;
  readonly notices: Notices | undefined;
  /** Why there will be no session without another login. */
  readonly ended: string | undefined;
  readonly token: DecodedToken | undefined;
  readonly methods: readonly Method[];
  /** The methods of the application are known, or can't be. */
  readonly isDiscovered: boolean;
  /** Whom the log-in form expects; undefined: anybody. */
  readonly expected: ExpectedLogin | undefined;
}

/** The login that has ended, for the form that begins the next one. */
export interface ExpectedLogin {
  readonly username: string;
  readonly way: "password" | "token";
}

export const blank: DeskState = {
  view: "log-in",
  client: "idle",
  isHeld: false,
  notices: undefined,
  ended: undefined,
  token: undefined,
  methods: [],
  isDiscovered: false,
  expected: undefined,
};

/** What a person who logs in waits for. */
export interface Entrance {
  resolve(): void;
  reject(error: Error): void;
}
