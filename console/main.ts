/**
 * The console: a page that shows the life of a session. It is a client like any other, and knows
 * nothing that the wire doesn't tell.
 */
import { html, render } from "htm/preact";
import { ConsoleModel } from "./model/console-model.js";
import { placeFrom } from "./model/place.js";
import { applyTheme, savedTheme } from "./model/theme.js";
import { App } from "./view/app.js";

applyTheme(savedTheme());
const root = document.getElementById("app");
const desk = new ConsoleModel(placeFrom(document.documentElement.dataset, location));
if (root) render(html`<${App} desk=${desk} />`, root);
desk.resume().catch(reportError);
