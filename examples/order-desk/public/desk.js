/**
 * The page: its session, its client, and what of both is shown. The session outlives a reload,
 * since its refresh token is in a cookie that no script can read; access tokens are in memory.
 */
import { createClient, safe } from "/jotwire.min.js";
import { createSession } from "/jotwire-session.min.js";
import { openBoard } from "./board.js";
import { $, isBusy, say, setBusy } from "./dom.js";
import { openOrders } from "./orders.js";

const session = createSession();
const client = createClient({
  url: new URL("/rpc", location.href.replace(/^http/, "ws")),
  token: session.token,
  idempotent: ["orders.list", "prices.recent", "stock.list", "whoami"],
});
session.bind(client); // connects after a login, and closes when nobody is logged in

// ── who is logged in ──────────────────────────────────────────────────────────────────────────

let shown; // the subject whose desk is shown; null: the log-in form
let visit = new AbortController(); // aborted when somebody else is shown

session.subscribe(showSession);
showSession();

function showSession() {
  const { status, subject, reason } = session.state;
  if (status === "loading" || subject === shown) return;
  const wasHere = shown !== undefined; // not so after a reload, which must not move the focus
  shown = subject;
  visit.abort();
  visit = new AbortController();
  $("waiting").textContent = "";
  $("sure").close();
  $("desk").hidden = true; // until it shows what is this user's
  if (subject === null) showLogIn(reason);
  else void showDesk(subject, wasHere);
}

function showLogIn(reason) {
  $("log-in").hidden = false;
  $("refusal").textContent = reason === "ended" ? "Your session is over. Log in again." : "";
  $("login").password.focus();
}

async function showDesk(subject, movesFocus) {
  const { signal } = visit;
  const isAdmin = session.state.scopes.includes("orders:admin");
  $("who").textContent = subject;
  await openBoard(client, subject, signal);
  await openOrders(client, { subject, isAdmin }, signal);
  if (signal.aborted) return;
  $("log-in").hidden = true;
  $("desk").hidden = false;
  $("waiting").textContent = "";
  if (movesFocus) $("prices").focus();
  await measure();
}

const failures = {
  unavailable: () => "Can't reach the server. Is it running?",
  too_many: ({ retryAfter }) =>
    `Too many attempts. Try again in ${Math.ceil((retryAfter ?? 1_000) / 1_000)} seconds.`,
  invalid_credentials: () => "Wrong username or password.",
  refused: () => "Login failed. Try again.",
};

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (isBusy($("enter"))) return;
  const form = event.target;
  const { username, password } = Object.fromEntries(new FormData(form));
  $("refusal").textContent = "";
  setBusy($("enter"), true);
  $("enter").textContent = "Logging in…";
  try {
    await session.login(username, password);
  } catch (error) {
    $("refusal").textContent = (failures[error.code] ?? failures.refused)(error);
    form.password.focus();
  }
  form.password.value = "";
  setBusy($("enter"), false);
  $("enter").textContent = "Log in";
});

async function leave(button, end) {
  if (isBusy(button)) return;
  setBusy(button, true);
  const left = await safe(end());
  setBusy(button, false);
  if (!left.ok) say("Can't reach the server: you are still logged in. Try again.");
}

$("leave").addEventListener("click", () => leave($("leave"), session.logout));
$("leave-all").addEventListener("click", () => leave($("leave-all"), session.signOutEverywhere));

// ── the connection, and how long the token is good ────────────────────────────────────────────

const words = {
  ready: "Connected",
  refreshing: "Renewing session…",
  waiting: "No connection, trying again…",
  connecting: "Connecting…",
  authenticating: "Connecting…",
  closed: "Logged out",
  idle: "",
};

let lifetime = 1; // s
let expiresAt = 0; // ms, by performance.now()
let known; // the session that the ring shows

client.on("state", ({ to }) => {
  $("state").dataset.state = to;
  $("state").textContent = words[to];
  const isWaiting = to === "waiting" && $("desk").hidden && $("log-in").hidden;
  if (isWaiting) $("waiting").textContent = "Can't reach the server. Trying again…";
  void measure();
});

setInterval(() => {
  if (!$("desk").hidden) drawRing();
}, 500); // ms

$("renew").addEventListener("click", async () => {
  if (isBusy($("renew"))) return;
  setBusy($("renew"), true);
  const renewed = await safe(client.refresh());
  setBusy($("renew"), false);
  say(
    renewed.ok
      ? "Session renewed; connection kept."
      : `Session not renewed: ${renewed.error.message}`,
  );
});

/** Asks how long the token is good, since the clocks of page and server may differ. */
async function measure() {
  if (client.state !== "ready" || client.session === known) return;
  known = client.session;
  const who = await safe(client.call("whoami"));
  if (!who.ok) {
    known = undefined;
    return;
  }
  expiresAt = performance.now() + who.value.expiresIn * 1_000;
  lifetime = Math.max(who.value.expiresIn, 1);
  drawRing();
}

function drawRing() {
  const left = Math.max(0, Math.round((expiresAt - performance.now()) / 1_000));
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  $("left").textContent = time;
  $("arc").style.strokeDashoffset = 100 - Math.min(100, (100 * left) / lifetime);
  $("ring").setAttribute("aria-label", `${time} minutes until the session's token expires`);
  $("until").textContent =
    client.state === "ready"
      ? "Renews automatically, and survives a reload."
      : "Renews as soon as there is a connection.";
}
