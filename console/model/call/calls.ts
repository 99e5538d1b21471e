import { type Method, sampleParams } from "../open-rpc.js";
import { failureOf, type Outcome } from "../outcome.js";
import { textFor } from "../params-text.js";
import { Store } from "../store.js";
import { type Issues, issuesIn, noIssues } from "./issues.js";

/** What was typed for one method, and how its last call ended. */
export interface CallView {
  /** The params, as text. */
  readonly text: string;
  readonly outcome: Outcome | undefined;
  /** What is wrong with the params, until they are changed. */
  readonly issues: Issues;
  readonly isRunning: boolean;
  /** The issues were found here, and nothing was sent. */
  readonly isUnsent: boolean;
}

/** Calls a method; never rejects. */
type Caller = (method: string, params: unknown, signal: AbortSignal) => Promise<Outcome>;

interface Draft {
  readonly view: Store<CallView>;
  running: AbortController | undefined;
}

const maxDrafts = 200; // methods whose params and results are kept

/** The calls of each method: they go on, and are kept, while another method is shown. */
export class Calls {
  readonly #call: Caller;
  /** By the name of the method; the one that was used last comes last. */
  readonly #drafts = new Map<string, Draft>();

  constructor(call: Caller) {
    this.#call = call;
  }

  of(method: Method): Store<CallView> {
    return this.#draftOf(method).view;
  }

  type(method: Method, text: string): void {
    this.of(method).patch({ text, issues: noIssues, isUnsent: false });
  }

  /** Shows issues that were found without a call. */
  complain(method: Method, issues: Issues): void {
    this.of(method).patch({ issues, isUnsent: true });
  }

  /** Shows an outcome that took no call. */
  fail(method: Method, error: unknown): void {
    this.of(method).patch({ outcome: failureOf(error, 0) });
  }

  clearOutcome(method: Method): void {
    this.of(method).patch({ outcome: undefined, issues: noIssues, isUnsent: false });
  }

  /** Does nothing while a call of this method runs. */
  async run(method: Method, params: unknown): Promise<void> {
    const draft = this.#draftOf(method);
    if (draft.running !== undefined) return;
    const running = new AbortController();
    draft.running = running;
    const { text } = draft.view.value;
    draft.view.patch({ isRunning: true, issues: noIssues, isUnsent: false });
    const answer = await this.#call(method.name, params, running.signal);
    const outcome: Outcome =
      running.signal.aborted && answer.is === "error"
        ? { is: "cancelled", took: answer.took, isRaw: answer.isRaw }
        : answer;
    draft.running = undefined;
    const isUnchanged = draft.view.value.text === text;
    const issues = isUnchanged ? issuesIn(outcome) : noIssues;
    draft.view.patch({ isRunning: false, outcome, issues });
  }

  cancel(method: Method): void {
    this.#drafts.get(method.name)?.running?.abort();
  }

  clear(): void {
    for (const { running } of this.#drafts.values()) running?.abort();
    this.#drafts.clear();
  }

  #draftOf(method: Method): Draft {
    const draft = this.#drafts.get(method.name) ?? {
      view: new Store<CallView>({
        text: textFor(sampleParams(method)),
        outcome: undefined,
        issues: noIssues,
        isRunning: false,
        isUnsent: false,
      }),
      running: undefined,
    };
    this.#drafts.delete(method.name);
    this.#drafts.set(method.name, draft);
    if (this.#drafts.size > maxDrafts) this.#forgetOldest();
    return draft;
  }

  #forgetOldest(): void {
    const [name, draft] = this.#drafts.entries().next().value as [string, Draft];
    draft.running?.abort();
    this.#drafts.delete(name);
  }
}
