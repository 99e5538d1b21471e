import { html } from "htm/preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { textOf } from "../call/field-text.js";
import { useAction, useStore } from "../hooks.js";
import { Mark } from "../mark.js";
import { ThemeButton } from "../theme-button.js";

/** The first page: a name and a password, or a token. */
export function LogIn({ desk }: { readonly desk: ConsoleModel }) {
  const hasLogins = desk.place.issuer !== null;
  const { expected } = useStore(desk.state);
  const [way, setWay] = useState(hasLogins ? (expected?.way ?? "password") : "token");
  const [isKept, setKept] = useState(false);
  const [username, setUsername] = useState(expected?.username ?? "");
  const [secret, setSecret] = useState("");
  const { run, isBusy, problem } = useAction(() =>
    way === "password" ? desk.logIn(username, secret, isKept) : desk.present(secret.trim(), isKept),
  );
  const submit = (event: Event) => {
    event.preventDefault();
    if (!isBusy) run();
  };
  const form = useRef<HTMLFormElement>(null);
  const known = expected?.username ? "input[type=password]" : "input";
  const first = way === "token" ? "textarea" : known;
  useLayoutEffect(() => form.current?.querySelector<HTMLElement>(first)?.focus(), [first]);
  const choose = (other: "password" | "token") => {
    setWay(other);
    setSecret("");
  };

  return html`
    <main class="entrance">
      <div class="entrance-card card">
        <div class="brand"><${Mark} /><h1>jotwire console</h1></div>
        <p class="muted">Watch a session live: calls, pushes, expiry, refresh and revocation on <code>${desk.place.socket}</code></p>
        ${
          hasLogins &&
          html`<div class="segments" role="group" aria-label="How to log in">
            <button type="button" aria-pressed=${way === "password"} onClick=${() => choose("password")}>Password</button>
            <button type="button" aria-pressed=${way === "token"} onClick=${() => choose("token")}>Access token</button>
          </div>`
        }
        <form ref=${form} onSubmit=${submit}>
          ${
            way === "password"
              ? html`
                <label class="field"><span>Username</span>
                  <input required aria-describedby="log-in-problem" autocomplete="username" autocapitalize="none" spellcheck=${false} value=${username}
                    onInput=${(event: InputEvent) => setUsername(textOf(event))} /></label>
                <label class="field"><span>Password</span>
                  <input required type="password" aria-describedby="log-in-problem" aria-invalid=${problem !== undefined} autocomplete="current-password" value=${secret}
                    onInput=${(event: InputEvent) => setSecret(textOf(event))} /></label>`
              : html`
                <label class="field"><span>Access token</span>
                  <textarea required rows="6" autocomplete="off" spellcheck=${false} placeholder="eyJ…" aria-describedby="log-in-problem" aria-invalid=${problem !== undefined} value=${secret}
                    onInput=${(event: InputEvent) => setSecret(textOf(event))}></textarea></label>`
          }
          <p class="problem" id="log-in-problem" role="alert">${problem}</p>
          ${
            desk.canKeep &&
            html`<label class="check"><input type="checkbox" checked=${isKept}
                onChange=${(event: Event) => setKept((event.currentTarget as HTMLInputElement).checked)} />
              <span>Stay logged in when this tab reloads<small>Keeps the tokens in sessionStorage; otherwise in memory only.</small></span></label>`
          }
          <button class="primary wide" aria-disabled=${isBusy}>${isBusy ? "Logging in…" : way === "password" ? "Log in" : "Use this token"}</button>
        </form>
      </div>
      <div class="entrance-corner"><${ThemeButton} /></div>
    </main>
  `;
}
