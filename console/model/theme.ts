import { storageOf } from "./storage.js";

/** `auto` follows the system. */
export type Theme = "auto" | "light" | "dark";

const themes: readonly Theme[] = ["auto", "light", "dark"];
const place = "jotwire.console.theme"; // the only thing that the console keeps beyond its tab

export function savedTheme(): Theme {
  return themes.find((theme) => theme === storageOf("localStorage")?.getItem(place)) ?? "auto";
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  const storage = storageOf("localStorage");
  if (theme === "auto") storage?.removeItem(place);
  else storage?.setItem(place, theme);
}

export function themeAfter(theme: Theme): Theme {
  return themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto";
}
