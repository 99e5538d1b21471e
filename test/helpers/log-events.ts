import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../src/", import.meta.url));

/** The sources with lines of their own. */
export const loggingSources = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter(
    (name) =>
      name.endsWith(".ts") && !["runtime/logger.ts", "runtime/rate-limited-log.ts"].includes(name),
  ) // those hand on
  .map((name) => ({ name, text: readFileSync(`${folder}${name}`, "utf8") }));

/** Every event that the log may have. */
export function logEvents(): readonly string[] {
  const named = loggingSources.flatMap(({ text }) =>
    [...text.matchAll(/\{\s*event: ["`]([^"`]+)["`]/g)].map(([, event = ""]) => event),
  );
  const events = named.flatMap((event) =>
    event.startsWith("${")
      ? ["authenticate", "refresh", "logout"].map((method) => `${method}.fail`)
      : [event],
  );
  return [...new Set(events)];
}
