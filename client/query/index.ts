/** An adapter for TanStack Query 5, of any framework. */

import type { CallOptions, Client, Untyped } from "../browser.js";
import type { CallArguments } from "../client-api.js";
import type { SelectMethod, SelectSubscription } from "../stores/index.js";
import { type RouteRefs, routeName } from "../stores/route-refs.js";
import { SubscriptionStore } from "../stores/subscription-store.js";

/** The key of a call's result in the cache: the wire name of the method, and the params. */
export type QueryKey = readonly ["jotwire", string, ...unknown[]];

/** What is used of TanStack's `QueryClient`. */
export interface QueryCache {
  /** Marks results as old; those that are shown are read anew. */
  invalidateQueries(filters: { readonly queryKey: QueryKey }): Promise<unknown>;
  /** Gives up the calls under way. */
  cancelQueries(filters: { readonly queryKey: QueryKey }): Promise<unknown>;
  /** Returns a result. */
  getQueryData(key: QueryKey): unknown;
  /** Replaces a result. */
  setQueryData(key: QueryKey, data: unknown): unknown;
  /** Removes results. */
  removeQueries(filters: { readonly queryKey: readonly ["jotwire"] }): void;
}

/** Options of `useQuery` and its likes. */
export interface QueryOptions<Result> {
  /** The wire name of the method, and the params. */
  readonly queryKey: QueryKey;
  /** Calls the method. */
  readonly queryFn: (context: { readonly signal: AbortSignal }) => Promise<Result>;
  /** The client itself repeats what may succeed later. */
  readonly retry: false;
}

/** Options of `useMutation` and its likes. */
export interface MutationOptions<Params, Result> {
  /** The wire name of the method. */
  readonly mutationKey: QueryKey;
  /** Calls the method. */
  readonly mutationFn: (params: Params) => Promise<Result>;
  /** The client itself repeats what may succeed later. */
  readonly retry: false;
}

/** How the cache shows a mutation before the server has answered. */
export interface Optimism<Params, Data> {
  /** The `QueryClient`. */
  readonly cache: QueryCache;
  /** The key of the result that the mutation changes, from `key`. */
  readonly key: QueryKey;
  /** Returns the result as it will be. Not called while the cache has none. */
  readonly update: (data: Data, params: Params) => Data;
}

/** Options of a mutation that the cache shows at once. */
export interface OptimisticMutation<Params, Result> extends MutationOptions<Params, Result> {
  /** Changes the cache at once. */
  readonly onMutate: (params: Params) => Promise<{ readonly before: unknown }>;
  /** Puts the old result back. */
  readonly onError: (
    error: unknown,
    params: Params,
    context: { readonly before: unknown } | undefined,
  ) => void;
  /** Has the result read anew. */
  readonly onSettled: () => Promise<unknown>;
}

/** What `createQueries` makes. */
export interface Queries<App> {
  /** Returns the key of a call's result; without params, of all calls of the method. */
  key<Params>(select: SelectMethod<App, Params, unknown, unknown>, params?: Params): QueryKey;
  /** Returns options for `useQuery`: a call, and its key. */
  query<Params, Result>(
    select: SelectMethod<App, Params, Result, unknown>,
    ...args: CallArguments<Params, CallOptions>
  ): QueryOptions<Result>;
  /** Returns options for `useMutation`. */
  mutation<Params, Result>(
    select: SelectMethod<App, Params, Result, unknown>,
    options?: CallOptions,
  ): MutationOptions<Params, Result>;
  /**
   * Returns options for `useMutation` that change the cache at once, put it back if the call fails,
   * and read anew in the end.
   */
  optimistic<Params, Result, Data>(
    select: SelectMethod<App, Params, Result, unknown>,
    optimism: Optimism<Params, Data>,
  ): OptimisticMutation<Params, Result>;
  /**
   * Subscribes to a topic, and has what is in the cache under `keys` read anew at each event and
   * where events were lost. Returns the function that ends it.
   */
  invalidateBy<Params, Event>(
    cache: QueryCache,
    keys: readonly QueryKey[],
    select: SelectSubscription<App, Params, Event, unknown>,
    ...args: CallArguments<Params, { readonly when?: (event: Event) => boolean }>
  ): () => void;
  /**
   * Removes all results from the cache when another user signs in. Returns the function that ends
   * it.
   */
  clearForOthers(cache: QueryCache): () => void;
}

/**
 * Makes keys and options for TanStack Query of one client.
 *
 * @example
 * ```tsx
 * const queries = createQueries<App>(client);
 * const { data } = useQuery(queries.query((api) => api.orders.list));
 * const stop = queries.invalidateBy(
 *   queryClient, [queries.key((api) => api.orders.list)], (api) => api.orders.changed);
 * ```
 */
export function createQueries<App = Untyped>(client: Client<App>): Queries<App> {
  type Select = (api: RouteRefs<App>) => unknown;
  const untyped = client as unknown as Client;
  const keyOf = (name: string, params: unknown): QueryKey =>
    params === undefined ? ["jotwire", name] : ["jotwire", name, params];
  const mutation = (select: Select, options?: CallOptions) => {
    const name = routeName<App>(select);
    return {
      mutationKey: keyOf(name, undefined),
      mutationFn: (params: unknown) => untyped.call(name, params, options),
      retry: false,
    };
  };
  const queries = {
    key: (select: Select, params?: unknown) => keyOf(routeName<App>(select), params),
    query(select: Select, params?: unknown, options?: CallOptions) {
      const name = routeName<App>(select);
      return {
        queryKey: keyOf(name, params),
        queryFn: ({ signal }: { readonly signal: AbortSignal }) =>
          untyped.call(name, params, { ...options, signal }),
        retry: false,
      };
    },
    mutation,
    optimistic(select: Select, { cache, key, update }: Optimism<unknown, unknown>) {
      return {
        ...mutation(select),
        async onMutate(params: unknown) {
          await cache.cancelQueries({ queryKey: key }); // its answer would be older
          const before = cache.getQueryData(key);
          if (before !== undefined) cache.setQueryData(key, update(before, params));
          return { before };
        },
        onError(_error: unknown, _params: unknown, context?: { readonly before: unknown }) {
          if (context?.before !== undefined) cache.setQueryData(key, context.before);
        },
        onSettled: () => cache.invalidateQueries({ queryKey: key }),
      };
    },
    invalidateBy(
      cache: QueryCache,
      keys: readonly QueryKey[],
      select: Select,
      params?: unknown,
      { when = () => true }: { readonly when?: (event: unknown) => boolean } = {},
    ) {
      const store = new SubscriptionStore(untyped, routeName<App>(select), params);
      const invalidate = () => {
        for (const queryKey of keys) cache.invalidateQueries({ queryKey }).catch(() => {});
      };
      store.tell({
        onEvent: (event: unknown) => {
          if (when(event)) invalidate();
        },
        onGap: invalidate,
      });
      return store.subscribe(() => {});
    },
    clearForOthers(cache: QueryCache) {
      let subject = untyped.session?.subject;
      return untyped.on("state", () => {
        const next = untyped.session?.subject;
        if (next === undefined || next === subject) return;
        if (subject !== undefined) cache.removeQueries({ queryKey: ["jotwire"] });
        subject = next;
      });
    },
  };
  return queries as unknown as Queries<App>;
}
