import { readFileSync } from "node:fs";
import { expect } from "chai";
import { eventually } from "../../helpers/eventually.js";
import { BoardRule, startBoards } from "../../helpers/server/board.js";
import { CuttableBus } from "../../helpers/server/cuttable-bus.js";
import { ask, type Frame, leftovers, request, resultOf } from "../../helpers/server/frames.js";
import type { RawClient } from "../../helpers/server/raw-client.js";

const guide = new URL("../../../docs/guides/authorization.md", import.meta.url);
const board = { board: "b1" };
const events = ["not written", "buffered", "meanwhile", "afterwards"] as const;
type Event = (typeof events)[number];

/** The rows of the table, each with its cells by the name of their column. */
function tableOf(text: string): readonly Readonly<Record<string, string>>[] {
  const section = text.split("### What a subscriber still receives")[1]?.split("\n## ")[0] ?? "";
  const [header = [], , ...rows] = section
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  return rows.map((cells) =>
    Object.fromEntries(header.map((name, index) => [name, cells[index] ?? ""])),
  );
}

/** One subscriber, on the second of two nodes where there are two. */
async function startScene(isCluster: boolean) {
  const bus = isCluster ? new CuttableBus() : undefined;
  const [first, far] = [bus?.end(), bus?.end()];
  const rule = new BoardRule();
  // so that a second event in one turn has to wait
  const limits = { sendBufferBytes: 64, requestTimeout: 20_000 };
  const server = await startBoards({ limits }, far?.bus, rule);
  const other = isCluster ? await startBoards({ limits }, first?.bus, rule) : undefined;
  if (other !== undefined)
    await eventually(async () => {
      expect((await other.server.sessions()).nodes).to.equal(2);
      expect((await server.server.sessions()).nodes).to.equal(2);
    });
  rule.allow("ada");
  const ada = await server.login("ada");
  const { epoch, offset } = await resultOf(ada, "past", board);
  const end = async () => {
    await server.close();
    await other?.close();
  };
  const since = { epoch, offset };
  const near = other ?? server;
  const published = new Set<Event>();
  const publish = (event: Event) => {
    published.add(event);
    return near.server.publish(near.app.routes.past, board, event);
  };
  return {
    ...{ published, server, other, rule, ada, far, since, publish },
    [Symbol.asyncDispose]: end,
  };
}

type Scene = Awaited<ReturnType<typeof startScene>>;

interface Row {
  readonly isCluster?: true;
  /** What happens in the turn in which the first two events are published. */
  readonly begin?: (scene: Scene) => void;
  /** A frame of the client, in its stead. A token that it has is put in force in that turn. */
  readonly frame?: (scene: Scene) => Frame;
  /** Present: an answer is out until then. */
  readonly answer?: (scene: Scene) => void | Promise<void>;
  /** What ends the wait of the events that still wait, for the test. */
  readonly release?: (scene: Scene) => Promise<unknown>;
  /** Is the connection closed? */
  readonly closes?: true;
  /** The scope of the user's next token, where it is another one. */
  readonly nextScope?: string;
}

const reauthorize = ({ server, other }: Scene) =>
  void (other ?? server).server.reauthorize({ subject: "ada" });
const askLate = (scene: Scene) => {
  scene.rule.isHeld = true;
  reauthorize(scene);
};
/** The rule answers, and at once from now on. */
const answerWith =
  (answer: boolean | Error) =>
  ({ rule }: Scene) => {
    rule.isHeld = false;
    if (answer === false) rule.remove("ada");
    rule.answerAll(answer);
  };
const askAgain = (scene: Scene) => {
  askLate(scene);
  reauthorize(scene);
};
/** Answers the question that no longer counts. */
const answerOutdated = async ({ rule }: Scene) => {
  rule.answerAll(true);
  await eventually(() => expect(rule.out.length).to.equal(1));
};
const refreshed = ({ server }: Scene, claims: object = {}) => {
  server.clock.advance(1_000);
  const token = server.token({ sub: "ada", scope: "boards", ...claims });
  return request("refresh", "refresh", { token }) as Frame;
};
const expire = ({ server }: Scene) => server.clock.advance(900_000);
const expireAndRefresh = (scene: Scene) => {
  expire(scene);
  scene.rule.isHeld = true;
  scene.ada.send(refreshed(scene));
};
const cutOff = ({ far, other }: Scene) => {
  far?.cut();
  void other?.server.reauthorize({ subject: "ada" });
};

/** How each row is brought about. */
const rows: Readonly<Record<string, Row>> = {
  "the right ends, and nobody asks": { begin: ({ rule }) => rule.remove("ada") },
  "the rule is asked and has not answered": {
    begin: askLate,
    answer: () => {},
    release: async (scene) => answerWith(true)(scene),
  },
  "its answer is yes": { begin: askLate, answer: answerWith(true) },
  "its answer is no": { begin: askLate, answer: answerWith(false) },
  "it answers no at once": {
    begin: (scene) => {
      scene.rule.remove("ada");
      reauthorize(scene);
    },
  },
  "it fails": { begin: askLate, answer: answerWith(new Error("no database")) },
  "it does not answer before the deadline": {
    begin: askLate,
    answer: ({ rule, server }) => {
      server.clock.advance(20_000);
      rule.isHeld = false;
    },
  },
  "it answers yes, and was asked again meanwhile": {
    begin: askAgain,
    answer: answerOutdated,
    release: async (scene) => answerWith(true)(scene),
  },
  "it answers yes, was asked again meanwhile, and answers no": {
    begin: askAgain,
    answer: async (scene) => {
      await answerOutdated(scene);
      answerWith(false)(scene);
    },
  },
  "another node asks, and its answer is no": {
    isCluster: true,
    begin: askLate,
    answer: answerWith(false),
  },
  "another node asks while this one is cut off, which asks as soon as it is back: yes": {
    isCluster: true,
    begin: cutOff,
    answer: ({ far }) => far?.join(),
  },
  "another node asks while this one is cut off, which asks as soon as it is back: no": {
    isCluster: true,
    begin: cutOff,
    answer: ({ far, rule }) => {
      rule.remove("ada");
      far?.join();
    },
  },
  "server.unsubscribe": {
    begin: ({ server }) =>
      void server.server.unsubscribe({ subject: "ada", topic: server.app.routes.past }),
  },
  "the client unsubscribes": {
    frame: () => request("end", "unsubscribe", { subscription: "past:b1" }) as Frame,
  },
  "a refresh has lost the scope": {
    frame: (scene) => refreshed(scene, { scope: "" }),
    nextScope: "",
  },
  "a refresh has the rule asked, and its answer is no": {
    frame: (scene) => {
      scene.rule.isHeld = true;
      return refreshed(scene);
    },
    answer: answerWith(false),
  },
  "a refresh for another subject, which is refused": {
    frame: (scene) => refreshed(scene, { sub: "bob" }),
  },
  "the session expires": {
    begin: expire,
    release: (scene) =>
      ask(scene.ada, "refresh", { token: scene.server.token({ sub: "ada", scope: "boards" }) }),
  },
  "it expires and is refreshed, and the answer of the rule is yes": {
    begin: expireAndRefresh,
    answer: answerWith(true),
  },
  "it expires and is refreshed, and the answer of the rule is no": {
    begin: expireAndRefresh,
    answer: answerWith(false),
  },
  "it expires, and the grace period is over": {
    begin: ({ server }) => server.clock.advance(930_000),
    closes: true,
  },
  "a logout": { frame: () => request("out", "logout") as Frame },
  "the token is revoked": {
    begin: ({ server }) => void server.server.revoke({ subject: "ada" }),
    closes: true,
  },
  "the connection is kicked": {
    begin: ({ server }) => void server.server.kick({ subject: "ada" }),
    closes: true,
  },
};

/** What has come and was not read; of a closed connection, what came before its end. */
async function framesOf(client: RawClient, isClosed: boolean): Promise<readonly Frame[]> {
  if (!isClosed) return leftovers(client);
  await client.closed;
  const frames: Frame[] = [];
  while (client.queued.length > 0) frames.push(await client.next<Frame>());
  return frames;
}

/** All that comes up to the answer to a request. */
async function untilAnswered(client: RawClient, { id, ...asked }: Frame): Promise<Frame[]> {
  client.send({ ...asked, id });
  const frames: Frame[] = [];
  do frames.push(await client.next<Frame>());
  while (frames.at(-1)?.id !== id);
  return frames;
}

function toldOf(frames: readonly Frame[]): readonly string[] {
  return frames.flatMap(({ method, params, error }) => {
    if (error !== undefined) return [String(error.code)];
    if (method === "subscription.ended") return [String(params?.reason)];
    if (params?.gap === true) return ["gap"];
    return method === "auth.expired" ? [method] : [];
  });
}

/** What the user gets who subscribes again on another connection. */
async function again({ server, since }: Scene, scope = "boards"): Promise<string> {
  const client = await server.login("ada", { scope }).catch(() => undefined);
  if (client === undefined) return "refused";
  const { error, result } = await ask(client, "past", { ...board, $since: since });
  if (error !== undefined) return "refused";
  expect(result).to.include({ recovered: true });
  const frames = await leftovers(client);
  const { offset } = await resultOf(client, "past", board);
  const received = frames.filter(({ method }) => method === "subscription.event");
  return received.length === Number(offset) - Number(since.offset) ? "all events" : "some events";
}

/** Does what a row says, and gives its cells as they have come about. */
async function cellsOf(row: Row): Promise<Readonly<Record<string, string>>> {
  await using scene = await startScene(row.isCluster === true);
  const { ada, publish } = scene;
  const isClosed = row.closes === true;
  const publishFirst = () => {
    void publish("not written");
    void publish("buffered");
  };
  const frames: Frame[] = [];
  if (row.frame !== undefined) {
    scene.rule.whenVerified = publishFirst;
    frames.push(...(await untilAnswered(ada, row.frame(scene))));
  } else {
    publishFirst();
    row.begin?.(scene);
  }
  const moments: (readonly Frame[])[] = [[...frames, ...(await framesOf(ada, isClosed))]];
  scene.rule.whenVerified = () => {};
  if (row.answer !== undefined) await publish("meanwhile");
  moments.push(isClosed ? [] : await leftovers(ada));
  await row.answer?.(scene);
  await publish("afterwards");
  moments.push(isClosed ? [] : await leftovers(ada));
  const told = [...toldOf(moments.flat()), ...(isClosed ? [String((await ada.closed).code)] : [])];
  const isWaiting = row.release !== undefined && row.answer !== undefined;
  const comesBack = isWaiting ? "–" : await again(scene, row.nextScope);
  await row.release?.(scene);
  moments.push(isClosed ? [] : await leftovers(ada));
  const cells = events.map((event) => {
    const cell = scene.published.has(event) ? cellOf(event, moments) : "–";
    return [event, cell] as const;
  });
  return {
    ...Object.fromEntries(cells),
    "the client hears": told.join(", ") || "–",
    again: comesBack,
  };
}

function cellOf(event: Event, moments: readonly (readonly Frame[])[]): string {
  const came = moments.map(
    (frames) => frames.filter(({ params }) => params?.data === event).length,
  );
  expect(
    came.reduce((sum, count) => sum + count, 0),
    `${event}, once`,
  ).to.be.at.most(1);
  const moment = came.findIndex((count) => count > 0);
  if (moment === -1) return "never";
  if (moment === 3) return "waits";
  return moment < 2 || event === "afterwards" ? "sent" : "waits, sent";
}

describe("The table of what a subscriber still receives, in docs/guides/authorization.md,", () => {
  const table = tableOf(readFileSync(guide, "utf8"));

  it("has a row for each case, and no other", () => {
    expect(table.map((cells) => cells["what happens"])).to.have.members(Object.keys(rows));
  });

  for (const { "what happens": name = "", ...cells } of table)
    it(`is right: ${name}`, async () => {
      expect(await cellsOf(rows[name] as Row)).to.deep.equal(cells);
    });
});
