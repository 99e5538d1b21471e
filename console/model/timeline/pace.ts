/** Runs a callback later, once for all that ask meanwhile. */
export type Pace = (callback: () => void) => void;

/** Any number of calls, one `tell` for each turn of the pace. */
export function paced(tell: () => void, pace: Pace): () => void {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    pace(() => {
      isWaiting = false;
      tell();
    });
  };
}
