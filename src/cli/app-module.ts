import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Router } from "../index.js";
import { CliError, codeOf, messageOf } from "./cli-error.js";

/** Loads the `app` that a module exports. Throws a `CliError` that says what the module lacks. */
export async function loadApp(module: string): Promise<Router<unknown>> {
  const { app } = await importModule(module);
  if (app instanceof Router) return app;
  if (app === undefined) throw new CliError("configuration", `${module} exports no app: export const app = rpc.router({ … })`);
  const isOtherCopy = typeof app === "object" && app !== null && "routes" in app && "notifications" in app;
  const why = isOtherCopy
    ? "was made by another copy of jotwire than this command: run the one that is installed beside it (npx jotwire)"
    : "is no router: export const app = rpc.router({ … })";
  throw new CliError("configuration", `the app of ${module} ${why}`);
}

async function importModule(module: string): Promise<{ readonly app?: unknown }> {
  const path = resolve(module);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) throw new CliError("configuration", `there is no module ${path}`);
  try {
    return (await import(pathToFileURL(path).href)) as { app?: unknown };
  } catch (error) {
    throw new CliError("configuration", explain(module, error), { cause: error });
  }
}

function explain(module: string, error: unknown): string {
  if (codeOf(error) === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[cm]?tsx?$/.test(module)) {
    return `this Node can't run TypeScript by itself: npm install --save-dev tsx, then node --import tsx $(which jotwire) … ${module}`;
  }
  const name = error instanceof Error ? `${error.name}: ` : "";
  return `${module} can't be loaded: ${name}${messageOf(error)}${placeOf(error)}`;
}

/** The line of the stack that is nearest to what went wrong. */
function placeOf(error: unknown): string {
  const frame = error instanceof Error ? /\n\s+at (?:.*\()?(file:[^)\n]+)\)?/.exec(error.stack ?? "")?.[1] : undefined;
  return frame === undefined ? "" : ` (at ${frame})`;
}
