import { answer, cpuTime } from "../lib/answer.mjs";

const atOnce = 32;

/**
 * Makes this process a client of the benchmark: `connect` is given `{ url, token }` and resolves
 * with a function that calls `orders.get`.
 */
export function calling(connect) {
  let call;
  answer({
    connect: async (options) => {
      call = await connect(options);
      const { sku } = await call({ sku: "A1", qty: 2 });
      if (sku !== "A1") throw new Error("this is not what was asked for");
    },
    /**
     * 32 calls at a time for `duration` ms. Resolves with the CPU time of this process,
     * microseconds, and the number of calls.
     */
    run: async ({ duration }) => {
      const endsAt = performance.now() + duration;
      const before = cpuTime();
      let work = 0;
      while (performance.now() < endsAt) {
        await Promise.all(
          Array.from({ length: atOnce }, (_, index) => call({ sku: "A1", qty: index })),
        );
        work += atOnce;
      }
      return { cost: cpuTime() - before, work };
    },
  });
}
