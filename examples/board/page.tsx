/** The board's page. */
import { createHooks, RpcProvider } from "jotwire/react";
import {
  StrictMode,
  startTransition,
  useActionState,
  useOptimistic,
  useState,
  useSyncExternalStore,
} from "react";
import { createRoot } from "react-dom/client";
import { type Card, columns, newest } from "./cards.ts";
import { openBoard } from "./client.ts";
import type { App } from "./server.ts";

const { session, client } = openBoard(location.origin);
const { useCall, useLive, useMutation, useSession } = createHooks<App>();
const board = "launch";

function Page() {
  const { status, reason } = useSyncExternalStore(session.subscribe, () => session.state);
  if (status === "loading") return <p>Loading …</p>;
  if (status === "signed_in") return <Board />;
  return <LoginForm notice={reason === "ended" ? "You were signed out." : ""} />;
}

function LoginForm({ notice }: { notice: string }) {
  const [problem, logIn] = useActionState(async (_: string, form: FormData) => {
    const login = session.login(String(form.get("user")), String(form.get("password")));
    return login.then(
      () => "",
      (error: Error) => error.message,
    );
  }, notice);
  return (
    <form action={logIn}>
      <label>
        User <input name="user" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button type="submit">Log in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function Board() {
  const live = useLive((api) => api.cards, { board }, newest);
  const [cards, showAtOnce] = useOptimistic(live.state ?? [], newest);
  const add = useMutation((api) => api.add);
  const move = useMutation((api) => api.move);
  const [notice, setNotice] = useState("");
  if (live.status === "failed") return <Failed error={live.error} />;

  const addCard = (form: FormData) =>
    startTransition(async () => {
      const card = { id: crypto.randomUUID(), title: String(form.get("title")) };
      showAtOnce({ ...card, column: "todo", version: 0 });
      const result = await add.run({ board, ...card });
      setNotice(result.ok ? "" : result.error.message);
    });
  const moveCard = ({ id, version, ...card }: Card, column: Card["column"]) =>
    startTransition(async () => {
      showAtOnce({ ...card, id, version, column });
      const result = await move.run({ board, id, version, column });
      setNotice(result.ok ? "" : result.error.message);
    });
  return (
    <>
      <Header />
      <p role="alert">{notice}</p>
      <form action={addCard}>
        <input name="title" aria-label="Title" maxLength={200} required />
        <button type="submit">Add a card</button>
      </form>
      <main>
        {columns.map((column) => (
          <section key={column} aria-label={column}>
            <h2>{column}</h2>
            {cards
              .filter((card) => card.column === column)
              .map((card) => (
                <CardView key={card.id} card={card} onMove={(to) => moveCard(card, to)} />
              ))}
          </section>
        ))}
      </main>
    </>
  );
}

function Failed({ error }: { error: unknown }) {
  return <p role="alert">{String(error)}</p>;
}

function CardView({ card, onMove }: { card: Card; onMove: (column: Card["column"]) => void }) {
  return (
    <article>
      {card.title}
      <select
        aria-label={`Column of ${card.title}`}
        value={card.column}
        onChange={(event) => onMove(event.target.value as Card["column"])}
      >
        {columns.map((column) => (
          <option key={column}>{column}</option>
        ))}
      </select>
    </article>
  );
}

function Header() {
  const { state, session: login } = useSession();
  const members = useCall((api) => api.members, { board });
  const remove = useMutation((api) => api.removeMember);
  const removeMember = async (user: string) => {
    if ((await remove.run({ board, user })).ok) members.reload();
  };
  return (
    <header>
      <strong>{login?.subject}</strong> {state}
      {members.data?.map((user) => (
        <button type="button" key={user} onClick={() => removeMember(user)}>
          Remove {user}
        </button>
      ))}
      <button type="button" onClick={() => session.logout()}>
        Log out
      </button>
      <button type="button" onClick={() => session.signOutEverywhere()}>
        Sign out everywhere
      </button>
    </header>
  );
}

const root = document.getElementById("root") as HTMLElement;
createRoot(root).render(
  <StrictMode>
    <RpcProvider client={client}>
      <Page />
    </RpcProvider>
  </StrictMode>,
);
