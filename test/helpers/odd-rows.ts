import { type Oddity, oddities } from "./oddities.js";

/** The names of what can be called in some options. */
export type CallbacksOf<Options> = {
  readonly [Name in keyof Options & string]-?: NonNullable<Options[Name]> extends (
    ...args: never[]
  ) => unknown
    ? Name
    : never;
}[keyof Options & string];

/** Gives a callback that is odd, and asserts what comes of it. */
export type Row = (oddity: Oddity) => Promise<void>;
export type RowsFor<Options> = Readonly<Record<CallbacksOf<Options>, Row>>;

/** One test for each row. */
export function describeRows(of: string, rows: Readonly<Record<string, Row>>): void {
  describe(`${of}, each given what it must not do:`, function () {
    this.timeout(60_000);
    for (const [name, row] of Object.entries(rows))
      it(name, async () => {
        for (const oddity of oddities)
          try {
            await row(oddity);
          } catch (error) {
            throw new Error(
              `${oddity.name}: ${error instanceof Error ? error.stack : String(error)}`,
              { cause: error },
            );
          }
      });
  });
}
