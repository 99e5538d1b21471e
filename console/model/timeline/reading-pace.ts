import type { Pace } from "./pace.js";

const frameMs = 125; // 8 redraws a second: as fast as anybody reads

/** The next animation frame, at most eight times a second; nothing while the page is hidden. */
export function readingPace(): Pace {
  let last = Number.NEGATIVE_INFINITY;
  return (callback) => {
    const draw = () =>
      requestAnimationFrame((now) => {
        last = now;
        callback();
      });
    const wait = last + frameMs - performance.now();
    if (wait > 0) setTimeout(draw, wait);
    else draw();
  };
}
