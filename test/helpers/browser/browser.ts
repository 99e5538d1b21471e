import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "mocha";
import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { requires } from "../requirement.js";

const executablePath = process.env.CHROME_BIN ?? "/usr/bin/chromium"; // Debian's
const args = [
  // it runs as root, in containers, without a screen
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  // and speaks to this machine alone
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];
/**
 * What Playwright forbids a page by default, and real ones may do: it comes back as it was left.
 */
const ignoreDefaultArgs = ["--disable-back-forward-cache"];

let launched: Promise<Browser> | undefined;

after("the browser is closed", async () => {
  await (await launched)?.close();
});

/** For a `before` hook: skips the tests where there is no Chromium. */
export function needsChromium(context: Context): void {
  requires(context, "chromium", () => existsSync(executablePath));
}

/** The one browser of the run, in a profile of its own. Whoever asks first starts it. */
export function browser(): Promise<Browser> {
  launched ??= chromium.launch({ executablePath, args, ignoreDefaultArgs, headless: true });
  return launched;
}

/** A browser session without a past: no storage, no cookies. Close it, and its pages are closed. */
export async function freshContext(
  options: Parameters<Browser["newContext"]>[0] = {},
): Promise<BrowserContext> {
  return (await browser()).newContext(options);
}

/**
 * A Chromium of its own whose user lets no site keep cookies or data. Close its context, and it
 * ends.
 */
export async function chromiumWithoutStorage(): Promise<BrowserContext> {
  const profile = await mkdtemp(join(tmpdir(), "jotwire-chromium-"));
  await mkdir(join(profile, "Default"));
  // CONTENT_SETTING_BLOCK
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args,
    ignoreDefaultArgs,
    headless: true,
  });
  context.once("close", () => void rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  return context;
}
