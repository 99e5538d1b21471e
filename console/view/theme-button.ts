import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { applyTheme, savedTheme, themeAfter } from "../model/theme.js";
import { Icon } from "./icon.js";

const names = { auto: "system", light: "light", dark: "dark" };

export function ThemeButton() {
  const [theme, setTheme] = useState(savedTheme);
  const next = () => {
    const after = themeAfter(theme);
    applyTheme(after);
    setTheme(after);
  };
  const label = `Theme: ${names[theme]}`;
  return html`<button type="button" class="quiet icon-button" title=${label} aria-label=${label} onClick=${next}><${Icon} name=${theme} /></button>`;
}
