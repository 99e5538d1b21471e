/** What a `for await` loop has got so far, and how it ended. */
export interface Consumed<Event> {
  readonly events: Event[];
  isDone: boolean;
  error?: unknown;
}

/** Reads events as they come, until the end or the first that `isEnough`. */
export function consume<Event>(
  events: AsyncIterable<Event>,
  isEnough: (event: Event) => boolean = () => false,
): Consumed<Event> {
  const consumed: Consumed<Event> = { events: [], isDone: false };
  const read = async () => {
    for await (const event of events) {
      consumed.events.push(event);
      if (isEnough(event)) break;
    }
    consumed.isDone = true;
  };
  read().catch((error) => Object.assign(consumed, { error }));
  return consumed;
}
