import { stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Logger, Method, Router, type Server, Subscription, Topic } from "../../index.js";
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
 * Loads the `app` that a module exports, and its `started`, if there is one. Throws a `CliError`
 * that says what the module lacks.
 */
export async function loadApp(module: string): Promise<AppModule> {
  const { app: exported, started = () => undefined } = await importModule(module);
  const app = await failingAs("configuration", `the app of ${module}: `, () =>
    settled(exported, "app"),
  );
  if (typeof started !== "function")
    throw new CliError("configuration", `started, which ${module} exports, is no function`);
  if (app instanceof Router) return { app, started: started as AppModule["started"] };
  if (app === undefined)
    throw new CliError(
      "configuration",
      `${module} exports no app: export const app = rpc.router({ … })`,
    );
  const isOtherCopy =
    typeof app === "object" && app !== null && "routes" in app && "notifications" in app;
  const why = isOtherCopy
    ? "was made by another copy of jotwire than this command: run the one that is installed beside it (npx jotwire)"
    : "is no router: export const app = rpc.router({ … })";
  throw new CliError("configuration", `the app of ${module} ${why}`);
}

/** An application that has been told of its server. */
export interface RunningApp {
  /** Resolves when `started` has. Rejects with a `CliError`. */
  readonly ready: Promise<void>;
  /** Never rejects: the server is stopped in order, whatever the application does. */
  stop(): Promise<void>;
}

/**
 * Calls `started` with the server. It may take its time: the server serves already, and can be
 * stopped.
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
        `started returned ${typeof returned}: return nothing, or a function that stops what it began`,
      );
    stop = (returned ?? undefined) as Stop;
  };
  return {
    ready: run(),
    async stop() {
      try {
        await settled(stop?.(), "the function that started returned");
      } catch (error) {
        log.error({ event: "close", err: error }, "the application could not be stopped in order");
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
  if (!isFile) throw new CliError("configuration", `there is no module ${path}`);
  try {
    return (await import(pathToFileURL(path).href)) as { app?: unknown; started?: unknown };
  } catch (error) {
    throw new CliError("configuration", explain(module, error), { cause: error });
  }
}

function explain(module: string, error: unknown): string {
  if (typescriptCodes.has(codeOf(error)) && /\.[cm]?tsx?$/.test(module)) {
    const run = `node --import tsx node_modules/.bin/jotwire ${process.argv[2] === "serve" ? "serve" : "dev"} ${module}`;
    return `this Node can't run ${module} by itself: npm install --save-dev tsx, then ${run}`;
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
  return `${module} can't be loaded: ${name}${messageOf(error)}${where}${advice}`;
}

/** Did Node read an ES module as CommonJS? */
function isModuleSyntax({ message }: SyntaxError): boolean {
  return /^Cannot use (import statement|'import\.meta') outside a module|^Unexpected token 'export'|^await is only valid in/.test(
    message,
  );
}

function moduleSyntaxAdvice(path: string): string {
  const file = relative(".", path);
  return `${file} is an ES module, but package.json does not say so: npm pkg set type=module, or name it ${file.replace(/\.c?js$/, ".mjs")}`;
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
 * What the stack says is nearest to what went wrong: its first line for a syntax error, else its
 * first frame outside of this command.
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

/**
 * Every scope that the application knows: the declared ones, or else those that its methods,
 * subscriptions and topics ask for.
 */
export function scopesOf({ scopes, routes }: Router<unknown>): readonly string[] {
  return scopes === undefined ? [...new Set(scopesIn(routes))] : [...scopes];
}

function scopesIn(route: unknown): readonly string[] {
  if (route instanceof Method || route instanceof Subscription || route instanceof Topic) {
    const { scope } = route.definition;
    if (scope === undefined) return [];
    if (typeof scope === "string") return [scope];
    return "anyOf" in scope ? scope.anyOf : scope;
  }
  return typeof route === "object" && route !== null ? Object.values(route).flatMap(scopesIn) : [];
}
