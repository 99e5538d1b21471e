import type { Pace } from "./pace.js";

/** Once per animation frame: what nobody can see isn't drawn. */
export const framePace: Pace = (callback) => {
  requestAnimationFrame(callback);
};
