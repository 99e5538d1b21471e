import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

/** What axe-core answers, as far as it is read here. */
interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly target: readonly string[] }[];
  }[];
}

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
let source: Promise<string> | undefined;

/**
 * What axe-core finds wrong with a page, or with one part of it: one line for each element. Empty:
 * nothing. `within` is a CSS selector.
 */
export async function accessibilityViolations(page: Page, within?: string): Promise<string[]> {
  source ??= readFile(axe, "utf8");
  // the developer tools' way in: the page's policy allows no other script
  if (await page.evaluate("typeof axe === 'undefined'")) await page.evaluate(await source);
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(${JSON.stringify(within ?? null)} ?? document, { resultTypes: ["violations"] })`,
  );
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target }) => `${id} (${impact}): ${target.join(" ")}`),
  );
}
