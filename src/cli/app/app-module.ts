import { stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Logger, Router, type Server } from "../../index.js";
import { isThenable, withTimeout } from "../../runtime/application-code.js";
import { describe } from "../../runtime/thrown.js";
import { CliError, codeOf, failingAs, messageOf } from "../cli-error.js";

const typescriptCodes: ReadonlySet<string | undefined> = new Set([
  "ERR_UNKNOWN_FILE_EXTENSION",
  "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
]);

/** What a module exports. */
export interface AppModule {
  readonly app: Router<unknown>;
  /**
   * Called with the server once it listens, so that the application can publish; what it returns is
   * called before the server stops.
   */
  readonly started: (server: Server) => Stop | Promise<Stop>;
}

type Stop = (() => void | Promise<void>) | undefined;

/**
 * Loads the `app` that a module exports, and its `started`, if it has one. Throws a `CliError` that
 * says what the module lacks.
 */
export async function loadApp(module: string): Promise<AppModule> {
  const { app: exported, started = () => undefined } = await importModule(module);
  const app = await failingAs("configuration", `the app of ${module}: `, () =>
    settled(exported, "app"),
  );
  if (typeof started !== "function")
    throw new CliError("configuration", `the export "started" of ${module} is not a function`);
  if (app instanceof Router) return { app, started: started as AppModule["started"] };
  if (app === undefined)
    throw new CliError(
      "configuration",
      `${module} has no export "app"; add export const app = rpc.router({ … })`,
    );
  const isOtherCopy =
    typeof app === "object" && app !== null && "routes" in app && "notifications" in app;
  const why = isOtherCopy
    ? "belongs to another copy of jotwire than this command; run the command that is installed beside it, npx jotwire"
    : "is not a router; write export const app = rpc.router({ … })";
  throw new CliError("configuration", `the app of ${module} ${why}`);
}

/** An application whose server runs. */
export interface RunningApp {
  /** Resolves when `started` has. Rejects with a `CliError`. */
  readonly ready: Promise<void>;
  /** Never rejects, so that a failing application does not prevent a graceful shutdown. */
  stop(): Promise<void>;
}

/**
 * Calls `started` with the server. The server serves meanwhile, and can be stopped.
 */
export function startApp(
  { started }: Pick<AppModule, "started">,
  server: Server,
  log: Logger,
): RunningApp {
  let stop: Stop;
  const begin = async (): Promise<unknown> => {
    try {
      return await started(server);
    } catch (error) {
      throw new CliError("configuration", `started failed: ${describe(error).message}`, {
        cause: error,
      });
    }
  };
  const run = async () => {
    const returned = await begin();
    const isStop = returned === undefined || returned === null || typeof returned === "function";
    if (!isStop)
      throw new CliError(
        "configuration",
        `started returned ${typeof returned}; return nothing, or a function that stops what started began`,
      );
    stop = (returned ?? undefined) as Stop;
  };
  return {
    ready: run(),
    async stop() {
      try {
        await settled(stop?.(), "the function that started returned");
      } catch (error) {
        log.error({ event: "close", err: error }, "the application failed to stop");
      }
    },
  };
}

const settleTimeoutMs = 10_000;

function settled<T>(value: T | PromiseLike<T>, what: string): T | Promise<T> {
  return isThenable(value)
    ? withTimeout(value as PromiseLike<T>, settleTimeoutMs, timers, what)
    : value;
}

const timers = {
  after(delayMs: number, callback: () => void) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

async function importModule(
  module: string,
): Promise<{ readonly app?: unknown; readonly started?: unknown }> {
  const path = resolve(module);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) throw new CliError("configuration", `no module at ${path}`);
  try {
    return (await import(pathToFileURL(path).href)) as { app?: unknown; started?: unknown };
  } catch (error) {
    throw new CliError("configuration", explain(module, error), { cause: error });
  }
}

function explain(module: string, error: unknown): string {
  if (typescriptCodes.has(codeOf(error)) && /\.[cm]?tsx?$/.test(module)) {
    const run = `node --import tsx node_modules/.bin/jotwire ${process.argv[2] === "serve" ? "serve" : "dev"} ${module}`;
    return `this Node cannot run TypeScript in ${module}; npm install --save-dev tsx, then ${run}`;
  }
  const place = placeOf(error);
  if (error instanceof SyntaxError && isModuleSyntax(error) && place !== undefined)
    return moduleSyntaxAdvice(place.path);
  const name = error instanceof Error ? `${error.name}: ` : "";
  const where = place === undefined ? "" : ` (at ${place.url})`;
  const advice =
    error instanceof SyntaxError && place === undefined
      ? `: node ${module} shows where`
      : packageAdvice(error);
  return `cannot load ${module}: ${name}${messageOf(error)}${where}${advice}`;
}

/** Did Node read an ES module as CommonJS? */
function isModuleSyntax({ message }: SyntaxError): boolean {
  return /^Cannot use (import statement|'import\.meta') outside a module|^Unexpected token 'export'|^await is only valid in/.test(
    message,
  );
}

function moduleSyntaxAdvice(path: string): string {
  const file = relative(".", path);
  return `${file} is an ES module, but package.json does not say so; npm pkg set type=module, or rename the file to ${file.replace(/\.c?js$/, ".mjs")}`;
}

/** For a package that isn't installed (`import` and `require` call it differently). */
function packageAdvice(error: unknown): string {
  const isMissing =
    codeOf(error) === "ERR_MODULE_NOT_FOUND" || codeOf(error) === "MODULE_NOT_FOUND";
  const name = isMissing
    ? /^Cannot find (?:package|module) '((?:@[^/']+\/)?[^./'\\:][^/'\\:]*)[/']/.exec(
        messageOf(error),
      )?.[1]
    : undefined;
  return name === undefined ? "" : `: npm install ${name}`;
}

interface Place {
  readonly path: string;
  /** With line and column, as far as they are known. */
  readonly url: string;
}

/**
 * The place of the error by its stack: the first line for a syntax error, else the first frame
 * outside of this command.
 */
function placeOf(error: unknown): Place | undefined {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const frames = [
    ...stack.matchAll(
      /^(?:\s+at (?:.*\()?)?((?:file:\/\/|\/|[A-Za-z]:\\)[^\n()]+?)((?::\d+)+)\)?$/gm,
    ),
  ];
  const own = new URL("../..", import.meta.url).href;
  const urls = frames.map(([, file = "", line = ""]) => ({
    href: file.startsWith("file:") ? file : pathToFileURL(file).href,
    line,
  }));
  const nearest = urls.find(({ href }) => !href.startsWith(own));
  return nearest && { path: fileURLToPath(nearest.href), url: `${nearest.href}${nearest.line}` };
}
