/** What a test asks of the page that logs in anew for a method, on `globalThis.user`. */
export interface StepUpUser {
  /** Makes the client, which logs in, and subscribes to `ticks`. */
  open(): void;
  /** The result of a call, or its error. */
  call(name: string, params?: unknown): Promise<object>;
  notes(): {
    readonly states: readonly string[];
    readonly state: string | undefined;
    /** What `token()` was asked for each time. */
    readonly tokenCalls: readonly object[];
    readonly ticks: readonly unknown[];
  };
}
