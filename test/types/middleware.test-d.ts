/** What the compiler knows of middleware. Nothing here runs: a wrong line doesn't compile. */
import { z } from "zod";
import { type Auth, createRpc, type MiddlewareContext } from "../../src/index.js";
import type { MethodContract } from "../../src/protocol/contract.js";

/** True only if the two types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(proof: T): T => proof;

interface Database {
  find(id: string): Promise<string>;
}
declare const db: Database;

const rpc = createRpc({
  claims: z.object({ tenant: z.string() }),
  scopes: ["read", "write"],
  notifications: { saved: z.object({ id: z.string() }) },
  context: ({ auth, method, connection }) => {
    same<Same<typeof method, string>>(true);
    connection.notify("saved", { id: "1" });
    return { db, tenant: auth?.claims.tenant };
  },
});

// the context of createRpc: by a function, by an asynchronous one, as an object, none
rpc.method({
  handler({ context }) {
    same<Same<typeof context, { db: Database; tenant: string | undefined }>>(true);
    // @ts-expect-error the context has no such member
    return context.cache;
  },
});
createRpc({ context: async () => ({ db }) }).method({
  handler: ({ context }) => same<Same<typeof context, { db: Database }>>(true),
});
createRpc({ context: { db } }).method({
  handler: ({ context }) => same<Same<typeof context, { db: Database }>>(true),
});
createRpc().method({
  // @ts-expect-error there is no context
  handler: ({ context }) => context.db,
});
// @ts-expect-error a context is an object
createRpc({ context: 5 });

// what next is given is added, and replaces what has the same name
const timed = rpc.use(async ({ next, method, log, params, auth, context }) => {
  same<Same<typeof params, unknown>>(true);
  same<Same<typeof auth extends { tenant: string } ? true : false, false>>(true);
  log.debug({ method, tenant: auth?.claims.tenant }, await context.db.find("1"));
  // @ts-expect-error a caller may have no session
  auth.subject;
  return next({ context: { startedAt: 1 } });
});
const replaced = timed.use(({ next, context }) => {
  same<Same<typeof context, { db: Database; tenant: string | undefined; startedAt: number }>>(true);
  return next({ context: { tenant: "t1", startedAt: new Date() } });
});
replaced.method({
  handler: ({ context }) =>
    same<Same<typeof context, { db: Database; tenant: string; startedAt: Date }>>(true),
});
replaced.subscription({
  async *handler({ context }) {
    same<Same<typeof context, { db: Database; tenant: string; startedAt: Date }>>(true);
    yield 1;
  },
});
const unchanged = rpc.use(async ({ next }) => {
  const result = await next();
  same<Same<typeof result.result, unknown>>(true);
  return result;
});
unchanged.method({
  handler: ({ context }) =>
    same<Same<typeof context, { db: Database; tenant: string | undefined }>>(true),
});
// of two ways, only what both add is there for sure
rpc
  .use(async ({ next, auth }) => (auth === null ? next() : next({ context: { user: auth } })))
  .method({
    // @ts-expect-error it may be missing
    handler: ({ context }) => context.user,
  });

// a middleware returns what next gives, or throws
// @ts-expect-error it returns nothing
rpc.use(async ({ next }) => {
  await next();
});
// @ts-expect-error it returns a result of its own
rpc.use(async () => ({ result: 1 }));
rpc.use(async () => {
  throw new Error("closed");
});
// @ts-expect-error a context is an object
rpc.use(async ({ next }) => next({ context: 1 }));

// rpc.with: scopes, errors, middleware
const writers = rpc.with({
  scope: "write",
  errors: { SUSPENDED: { code: 1001, data: z.object({ until: z.number() }) } },
  async use({ next, auth, error }) {
    if (auth.claims.tenant === "closed") throw error.SUSPENDED({ until: 1 });
    // @ts-expect-error no such error is declared
    error.SUSPENDDE;
    return next({ context: { user: auth.subject } });
  },
});
const save = writers.method({
  scope: "read",
  errors: { TAKEN: { code: 1002 } },
  params: z.object({ id: z.string() }),
  handler({ context, error, params, publish, connection }) {
    same<Same<typeof context, { db: Database; tenant: string | undefined; user: string }>>(true);
    if (params.id === "taken") throw error.TAKEN();
    if (params.id === "suspended") throw error.SUSPENDED({ until: 2 });
    // @ts-expect-error data that does not fit
    error.SUSPENDED({ until: "2" });
    connection.notify("saved", { id: params.id });
    return typeof publish;
  },
});
type ErrorsOf<M> = M extends MethodContract<infer _P, infer _R, infer Errors> ? Errors : never;
same<
  Same<ErrorsOf<typeof save>, { readonly SUSPENDED: { until: number }; readonly TAKEN: undefined }>
>(true);
// @ts-expect-error a misspelt scope
rpc.with({ scope: "wirte" });
// @ts-expect-error a misspelt scope in a list
rpc.with({ scope: ["write", "raed"] });
rpc.with({ scope: { anyOf: ["write", "read"] } }).topic({ key: () => "key" });
// @ts-expect-error an unknown option
rpc.with({ scopes: "write" });
// @ts-expect-error a method that needs a scope is not public
writers.method({ public: true, handler: () => 1 });
// @ts-expect-error nor behind further middleware
writers.use(({ next }) => next()).method({ public: true, handler: () => 1 });
rpc.with({ errors: { GONE: { code: 1003 } } }).method({
  public: true,
  handler({ auth, error }) {
    same<Same<typeof auth extends null ? true : false, false>>(true);
    // @ts-expect-error there may be no session
    auth.subject;
    throw error.GONE();
  },
});

// a middleware may be declared by itself
async function audit<C>({ next, log, method }: MiddlewareContext<unknown, unknown, never, C>) {
  log.info({ method }, "called");
  return next({ context: { audited: true as boolean } });
}
rpc.use(audit).method({
  handler: ({ context }) =>
    same<Same<typeof context, { db: Database; tenant: string | undefined; audited: boolean }>>(
      true,
    ),
});

// rpc.with({ authorize }): a rule for all routes, whose params must have what it reads
const Board = z.object({ board: z.string() });
const team = rpc.with({
  authorize: ({ auth, params }: { auth: Auth; params: { board: string } }) =>
    params.board === auth.subject,
});
team.method({
  params: Board.extend({ title: z.string() }),
  handler: ({ params }) => params.title.length + params.board.length,
});
team.topic({ params: Board, key: ({ board }) => board });
team.subscription({
  params: Board,
  async *handler({ params }) {
    yield params.board;
  },
});
// @ts-expect-error no params, which the rule reads
team.method({ handler: () => 1 });
// @ts-expect-error other params
team.method({ params: z.object({ card: z.string() }), handler: () => 1 });
// @ts-expect-error params of another type
team.topic({ params: z.object({ board: z.number() }), key: ({ board }) => String(board) });
// @ts-expect-error nor behind further middleware
team.use(({ next }) => next()).method({ handler: () => 1 });
const cards = team.with({
  authorize: async ({ params }: { params: { card: string } }) => params.card !== "",
});
cards.method({ params: Board.extend({ card: z.string() }), handler: ({ params }) => params.card });
// @ts-expect-error the params of the first rule alone
cards.method({ params: Board, handler: () => 1 });
rpc.with({ authorize: ({ auth }) => auth.claims.tenant === "t1" }).method({ handler: () => 1 });
// @ts-expect-error a rule says true or false
rpc.with({ authorize: () => "yes" });
