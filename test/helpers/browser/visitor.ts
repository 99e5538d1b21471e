import type { Page } from "playwright-core";

const timeoutMs = 15_000;

/** What a call in the page came to. */
export interface Outcome {
  readonly ok: boolean;
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

/** A page with a session, from test/browser/page/session-user.ts. */
export class Visitor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  do<T = Outcome>(name: string, ...args: readonly unknown[]): Promise<T> {
    return this.page.evaluate(
      ([method, list]) => {
        const { visitor } = globalThis as unknown as {
          readonly visitor: Readonly<Record<string, (...list: readonly unknown[]) => unknown>>;
        };
        return visitor[method]?.(...list);
      },
      [name, args] as const,
    ) as Promise<T>;
  }

  /** Waits until the session, and the client, are in these states. */
  async until(status: string, subject: string | null, client?: string): Promise<void> {
    await this.page.waitForFunction(
      ([status, subject, client]) => {
        const { visitor } = globalThis as unknown as {
          readonly visitor?: {
            state(): { readonly status: string; readonly subject: string | null };
            client(): string;
          };
        };
        const state = visitor?.state();
        return (
          state?.status === status &&
          state?.subject === subject &&
          (client === null || visitor?.client() === client)
        );
      },
      [status, subject, client ?? null] as const,
      { timeout: timeoutMs, polling: 20 },
    );
  }
}
