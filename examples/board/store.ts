/** Boards, their members and their cards, in SQLite. */
import { randomUUID } from "node:crypto";
import Database from "libsql";
import type { Card } from "./cards.ts";

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS board (
    name TEXT PRIMARY KEY, epoch TEXT DEFAULT (hex(randomblob(8))), version INTEGER DEFAULT 0);
  CREATE TABLE IF NOT EXISTS member (board TEXT, user TEXT, PRIMARY KEY (board, user));
  CREATE TABLE IF NOT EXISTS card (
    board TEXT, id TEXT, title TEXT, "column" TEXT, version INTEGER, PRIMARY KEY (board, id));
  CREATE INDEX IF NOT EXISTS card_change ON card (board, version);
`;
const fields = `id, title, "column", version`;

/** Opens the database in `file`. Makes it, with the board `launch` of ada and bob, if it is absent. */
export function openBoardStore(file: string) {
  const db = new Database(file);
  db.exec(schema);
  const all = <Row>(sql: string, ...values: unknown[]) => db.prepare(sql).all(...values) as Row[];
  const one = <Row>(sql: string, ...values: unknown[]) => all<Row>(sql, ...values)[0];
  const run = (sql: string, ...values: unknown[]) => db.prepare(sql).run(...values).changes;

  const card = (board: string, id: string) =>
    one<Card>(`SELECT ${fields} FROM card WHERE board = ? AND id = ?`, board, id);
  const addMember = (board: string, user: string) =>
    run("INSERT OR IGNORE INTO member VALUES (?, ?)", board, user);
  const nextVersion = (board: string) => {
    const sql = "UPDATE board SET version = version + 1 WHERE name = ? RETURNING version";
    return one<{ version: number }>(sql, board)?.version ?? 0;
  };

  if (run("INSERT OR IGNORE INTO board (name) VALUES ('launch')") === 1)
    for (const user of ["ada", "bob"]) addMember("launch", user);

  return {
    isMember: (board: string, user: string) =>
      one("SELECT 1 FROM member WHERE board = ? AND user = ?", board, user) !== undefined,
    members: (board: string) =>
      all<{ user: string }>("SELECT user FROM member WHERE board = ?", board).map(
        (row) => row.user,
      ),
    addMember,
    removeMember: (board: string, user: string) =>
      run("DELETE FROM member WHERE board = ? AND user = ?", board, user),

    card,
    /** The cards that changed after a version, in the order of their changes. */
    cards: (board: string, after = 0) => {
      const sql = `SELECT ${fields} FROM card WHERE board = ? AND version > ? ORDER BY version`;
      return all<Card>(sql, board, after);
    },
    /** The number of the board's last change; `epoch` is another one in another database. */
    latest: (board: string) =>
      one<{ epoch: string; offset: number }>(
        "SELECT epoch, version AS offset FROM board WHERE name = ?",
        board,
      ) ?? { epoch: "", offset: 0 },
    /** May be repeated: the same id is the same card. */
    addCard: db.transaction((board: string, title: string, id: string = randomUUID()): Card => {
      const known = card(board, id);
      if (known) return known;
      const added: Card = { id, title, column: "todo", version: nextVersion(board) };
      run("INSERT INTO card VALUES (?, ?, ?, ?, ?)", board, id, title, "todo", added.version);
      return added;
    }),
    /** Undefined: the card is not in that version. May be repeated: a card that is there stays. */
    moveCard: db.transaction(
      (board: string, id: string, column: Card["column"], version: number): Card | undefined => {
        const known = card(board, id);
        if (known?.column === column) return known;
        if (known?.version !== version) return undefined;
        const moved: Card = { ...known, column, version: nextVersion(board) };
        const sql = `UPDATE card SET "column" = ?, version = ? WHERE board = ? AND id = ?`;
        run(sql, column, moved.version, board, id);
        return moved;
      },
    ),
    close: () => void db.close(),
  };
}
