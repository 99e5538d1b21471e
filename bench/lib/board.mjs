/** The database of the board, which both of its servers ask, and what is published on it. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const query = 1; // ms
const pace = 25; // ms between two events
const members = new Set();
let isPublishing = false;

export async function isMember(user) {
  await delay(query);
  return members.has(user);
}

export async function removeMember(user) {
  await delay(query);
  members.delete(user);
}

/** What both servers are asked. `publish` is given one card after the other. */
export function boardQuestions(publish) {
  return {
    admit: ({ users }) => {
      for (const user of users) members.add(user);
      if (!isPublishing) setInterval(() => publish({ at: wallTime() }), pace).unref();
      isPublishing = true;
    },
  };
}

/** Milliseconds since 1970, finer than `Date.now()`. */
export function wallTime() {
  return performance.timeOrigin + performance.now();
}

/** Lines of a server's file between `#region application` and `#endregion`, without comments. */
export function applicationLines(file) {
  const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
  const [, region = ""] = /#region application\n([\s\S]*?)\n *\/\/ #endregion/.exec(text) ?? [];
  const lines = region.split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line));
  if (lines.length === 0) throw new Error(`${file} has no region "application"`);
  return lines.length;
}
