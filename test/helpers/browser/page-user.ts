import type { Notes, SdkUser } from "../client/sdk-user.js";

const timeoutMs = 15_000; // ms; a test that waits this long has failed
const look = 15; // ms between two looks at the page

interface Wire {
  readonly method?: string;
}

/**
 * A user of the SDK in some page, as a test sees it: what it notes, and what goes over its sockets.
 */
export abstract class PageUser {
  /** Frames of all sockets of the page, in order. */
  readonly sent: string[] = [];
  readonly received: string[] = [];
  /** Sockets that the page asked for, as the browser's developer tools see them. */
  sockets = 0;

  /** Has the page's user do something. */
  abstract do<Name extends keyof SdkUser>(
    name: Name,
    ...args: Parameters<SdkUser[Name]>
  ): Promise<Awaited<ReturnType<SdkUser[Name]>>>;

  /** How many requests or notifications of this name the page has sent. */
  sentOf(method: string): number {
    return countOf(this.sent, method);
  }

  receivedOf(method: string): number {
    return countOf(this.received, method);
  }

  /** Waits until the user's notes are like this, and gives them. */
  async until(what: string, isSo: (notes: Notes) => boolean): Promise<Notes> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const notes = await this.do("notes");
      if (isSo(notes)) return notes;
      if (performance.now() > end)
        throw new Error(`not seen: ${what}; ${JSON.stringify(notes).slice(-2_000)}`);
      await new Promise((resolve) => setTimeout(resolve, look));
    }
  }

  state(state: string): Promise<Notes> {
    return this.until(state, (notes) => notes.state === state);
  }
}

function countOf(frames: readonly string[], method: string): number {
  return frames.filter((frame) => (JSON.parse(frame) as Wire).method === method).length;
}
