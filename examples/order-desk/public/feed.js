/** Subscriptions of the page: what was missed is read. */
import { gap, safe } from "/jotwire.min.js";
import { say } from "./dom.js";

const pauseMs = 2_000;

/** Hands on each event until `signal` is aborted; `lost` reads anew what was missed. */
export async function follow(events, signal, event, lost) {
  try {
    for await (const one of events) {
      if (one === gap) await read(lost, signal);
      else event(one);
    }
  } catch (error) {
    if (!signal.aborted && error.code !== "disconnected") say(`No more events: ${error.message}`);
  }
}

/** Reads, however often that fails: else the page would show something old for good. */
export async function read(load, signal) {
  while (!signal.aborted) {
    const done = await safe(load());
    if (done.ok || signal.aborted) return;
    say(`Can't read what is new: ${done.error.message} Trying again.`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
