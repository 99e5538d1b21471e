/**
 * The parts of a browser that the client looks for, shared by all clients of a process as they are
 * by the pages of an origin.
 */

interface Waiting {
  readonly run: () => void;
}

/** Web Locks, as far as the client uses them: exclusive, one after the other. */
class Locks {
  readonly #queues = new Map<string, Waiting[]>();
  readonly #held = new Set<string>();

  request<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        run: () => {
          this.#held.add(name);
          work()
            .finally(() => {
              this.#held.delete(name);
              this.#next(name);
            })
            .then(resolve, reject);
        },
      };
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      queue.push(waiting);
      queueMicrotask(() => this.#next(name)); // never in the turn of the request
    });
  }

  #next(name: string): void {
    if (!this.#held.has(name)) this.#queues.get(name)?.shift()?.run();
  }
}

export class Pages {
  /** What is sent from page to page, with the name of the channel. */
  readonly posted: { readonly channel: string; readonly data: unknown }[] = [];
  /** How many channels are open. */
  get channels(): number {
    return this.#channels.size;
  }
  readonly document = Object.assign(new EventTarget(), { hidden: false });
  readonly window = new EventTarget();
  readonly #channels = new Set<{
    readonly name: string;
    onmessage: ((event: { data: unknown }) => void) | null;
  }>();
  readonly #restore: (() => void)[] = [];
  #listeners = 0;

  /**
   * `isStorageBlocked`: the user forbids the site to keep anything, and the browser counts what
   * pages share as such.
   */
  constructor({ isStorageBlocked = false } = {}) {
    const pages = this;
    const denied = () => new DOMException("The operation is insecure.", "SecurityError");
    class Channel {
      onmessage: ((event: { data: unknown }) => void) | null = null;
      readonly name: string;
      constructor(name: string) {
        if (isStorageBlocked) throw denied(); // as in Firefox
        this.name = name;
        pages.#channels.add(this);
      }
      postMessage(data: unknown) {
        pages.posted.push({ channel: this.name, data });
        for (const other of pages.#channels) {
          if (other !== this && other.name === this.name)
            queueMicrotask(() => pages.#channels.has(other) && other.onmessage?.({ data }));
        }
      }
      close() {
        pages.#channels.delete(this);
      }
    }
    // as in a browser, where the window captures what happens to the document
    this.document.dispatchEvent = (event) => this.window.dispatchEvent(event);
    for (const target of [this.document, this.window]) {
      const { addEventListener, removeEventListener } = target;
      target.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        this.#listeners++;
        addEventListener.apply(target, args);
      };
      target.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        this.#listeners--;
        removeEventListener.apply(target, args);
      };
    }
    this.#install("document", this.document);
    this.#install("navigator", {
      locks: isStorageBlocked ? { request: () => Promise.reject(denied()) } : new Locks(),
    });
    this.#install("BroadcastChannel", Channel);
    this.#install("addEventListener", this.window.addEventListener);
    this.#install("removeEventListener", this.window.removeEventListener);
  }

  /** How many listeners there are on the document and the window. */
  get listeners(): number {
    return this.#listeners;
  }

  /** Shows or hides the page. */
  show(isShown: boolean): void {
    this.document.hidden = !isShown;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  /** Takes it all away again. */
  [Symbol.dispose](): void {
    for (const restore of this.#restore) restore();
  }

  #install(name: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    this.#restore.push(() => {
      if (before) Object.defineProperty(globalThis, name, before);
      else Reflect.deleteProperty(globalThis, name);
    });
  }
}
