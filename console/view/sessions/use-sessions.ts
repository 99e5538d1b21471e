import { useCallback, useEffect, useState } from "preact/hooks";
import type { ConsoleModel } from "../../model/console-model.js";
import { type ListedSessions, listSessions } from "../../model/session/sessions.js";

/** What the server said last, and the ways to ask it again. */
export function useSessions(desk: ConsoleModel) {
  const [listed, setListed] = useState<ListedSessions | undefined>(undefined);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const [subject, setSubject] = useState<string | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  const run = useCallback(async (action: () => Promise<void>) => {
    setBusy(true);
    setProblem(undefined);
    try {
      await action();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }, []);
  const load = useCallback(
    (whose: string | undefined) =>
      run(async () => {
        const found = await listSessions(desk.ask, whose);
        setSubject(whose);
        setListed(found);
      }),
    [desk, run],
  );
  useEffect(() => {
    load(undefined).catch(reportError);
  }, [load]);
  const reload = () =>
    run(async () => {
      const found = await listSessions(desk.ask, subject);
      setListed(found);
      desk.announce(`Reloaded: ${found.total} connected`);
    });
  /** Ends something, says so, and lists anew; calls `done` when the page shows it. */
  const end = (action: () => Promise<void>, said: string, done: () => void) =>
    run(async () => {
      await action();
      desk.announce(said);
      setListed(await listSessions(desk.ask, subject));
      setTimeout(done); // the rows are drawn by then
    });
  return { listed, problem, subject, isBusy, load, reload, end };
}
