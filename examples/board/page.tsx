/** The board's page. */
import { createHooks, RpcProvider } from "jotwire/react";
import {
  type SubmitEvent,
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

const problemOf = (work: Promise<void>) =>
  work.then(
    () => "",
    (error: Error) => error.message,
  );

function Page() {
  const login = useSyncExternalStore(session.subscribe, () => session.state);
  if (login.status === "loading") return <p>Loading…</p>;
  if (login.status === "signed_out") return <LoginForm wasEnded={login.reason === "ended"} />;
  return (
    <>
      <Header />
      <Board />
    </>
  );
}

function LoginForm({ wasEnded }: { wasEnded: boolean }) {
  const [problem, logIn] = useActionState(
    (_: string, form: FormData) =>
      problemOf(session.login(String(form.get("user")), String(form.get("password")))),
    wasEnded ? "You were signed out." : "",
  );
  return (
    <form action={logIn}>
      <label>
        User <input name="user" autoComplete="username" />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" />
      </label>
      <button type="submit">Log in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function Header() {
  const { state, session: login } = useSession();
  const members = useCall((api) => api.members, { board });
  const remove = useMutation((api) => api.removeMember);
  const [problem, setProblem] = useState("");
  const removeMember = async (user: string) => {
    if ((await remove.run({ board, user })).ok) members.reload();
  };
  return (
    <header>
      {login?.subject}: {state}
      <button type="button" onClick={async () => setProblem(await problemOf(session.logout()))}>
        Log out
      </button>
      <button
        type="button"
        onClick={async () => setProblem(await problemOf(session.signOutEverywhere()))}
      >
        Sign out everywhere
      </button>
      {members.data?.map((user) => (
        <button key={user} type="button" onClick={() => removeMember(user)}>
          Remove {user}
        </button>
      ))}
      <output>{problem || remove.error?.message}</output>
    </header>
  );
}

function Board() {
  const live = useLive((api) => api.cards, { board }, newest);
  const [cards, showAtOnce] = useOptimistic(live.state ?? [], newest);
  const add = useMutation((api) => api.add);
  const move = useMutation((api) => api.move);

  function addCard(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const title = String(new FormData(event.currentTarget).get("title"));
    event.currentTarget.reset();
    startTransition(async () => {
      const id = crypto.randomUUID();
      showAtOnce({ id, title, column: "todo", version: 0 });
      await add.run({ board, id, title });
    });
  }
  const moveCard = ({ id, title, version }: Card, column: Card["column"]) =>
    startTransition(async () => {
      showAtOnce({ id, title, column, version });
      await move.run({ board, id, column, version });
    });

  if (live.status === "failed")
    return <p role="alert">You can't see this board: {(live.error as Error).message}</p>;
  const isConflict = move.error?.code === "CONFLICT";
  return (
    <>
      <form onSubmit={addCard}>
        <input name="title" aria-label="Title" placeholder="A new card" required />
        <button type="submit">Add</button>
        <p role="alert">
          {isConflict ? "Somebody else has moved that card." : (move.error ?? add.error)?.message}
        </p>
      </form>
      {columns.map((column) => (
        <section key={column} aria-label={column}>
          <h2>{column}</h2>
          {cards
            .filter((card) => card.column === column)
            .map((card) => (
              <p key={card.id}>
                {card.title}
                <select
                  aria-label={`Move ${card.title}`}
                  value={column}
                  disabled={!live.state?.includes(card)}
                  onChange={({ target }) => moveCard(card, target.value as Card["column"])}
                >
                  {columns.map((name) => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </p>
            ))}
        </section>
      ))}
    </>
  );
}

createRoot(document.body).render(
  <RpcProvider client={client}>
    <Page />
  </RpcProvider>,
);
