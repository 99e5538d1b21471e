import { setTimeout as delay } from "node:timers/promises";

const pause = 4; // ms between two turns that publish, so that readers keep up

/** What is published: a price, and as much beside it as is wanted. */
export function eventOf(number, padding) {
  return { price: 100_000 + (number % 100_000), padding };
}

/**
 * Publishes `events`, `perTurn` of them in each of some turns of the event loop.
 * `publish(number, padding)`: `padding` has `bytes` characters.
 */
export async function inTurns({ events, perTurn, bytes = 0 }, publish) {
  const padding = "x".repeat(bytes);
  for (let number = 0; number < events; ) {
    for (const end = number + perTurn; number < end; number++) publish(number, padding);
    await delay(pause);
  }
}
