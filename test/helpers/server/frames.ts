import { expect } from "chai";
import type { RawClient } from "./raw-client.js";

/** One response or notification, as it came. */
export interface Frame {
  readonly jsonrpc: string;
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

let rounds = 0;

/** Calls a method, and gives its response; what comes before it is dropped. */
export async function ask(client: RawClient, method: string, params?: unknown): Promise<Frame> {
  const id = `ask-${++rounds}`;
  client.send(request(id, method, params));
  return (await framesUntil(client, id)).pop() as Frame;
}

/** The result of a call. Throws the error in its stead. */
export async function resultOf(
  client: RawClient,
  method: string,
  params?: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const { error, result } = await ask(client, method, params);
  if (error !== undefined) throw new Error(`${method} failed: ${JSON.stringify(error)}`);
  return result as Readonly<Record<string, unknown>>;
}

/**
 * Sends, and gives all that comes until the server has nothing more to say: it has answered two
 * pings, one after the other.
 */
export async function exchange(client: RawClient, ...frames: readonly unknown[]): Promise<Frame[]> {
  client.send(...frames);
  return [...(await untilPong(client)), ...(await untilPong(client))];
}

/** What has come and was not read yet. */
export function leftovers(client: RawClient): Promise<Frame[]> {
  return exchange(client);
}

async function untilPong(client: RawClient): Promise<Frame[]> {
  const id = `round-${++rounds}`;
  client.send(request(id, "ping"));
  return (await framesUntil(client, id)).slice(0, -1);
}

/** All frames up to the response with this id. */
async function framesUntil(client: RawClient, id: string): Promise<Frame[]> {
  const frames: Frame[] = [];
  do frames.push(await client.next<Frame>());
  while (frames.at(-1)?.id !== id);
  return frames;
}

/** The next frame, which must be this notification. Gives its params. */
export async function told(
  client: RawClient,
  method: string,
): Promise<Readonly<Record<string, unknown>>> {
  const frame = await client.next<Frame>();
  expect(frame, "a notification")
    .to.include({ jsonrpc: "2.0", method })
    .and.not.have.property("id");
  return frame.params ?? {};
}

/** A request with an id. */
export function request(id: unknown, method: string, params?: unknown): object {
  return { jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) };
}

/** A request without an id. */
export function notification(method: string, params?: unknown): object {
  return { jsonrpc: "2.0", method, ...(params === undefined ? {} : { params }) };
}
