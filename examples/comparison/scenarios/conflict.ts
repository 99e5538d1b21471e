/** Two users move the same card at the same time, to different columns. */
import { board, type Stage } from "../lib/stage.ts";
import { until } from "../lib/wait.ts";

export async function conflict(stage: Stage) {
  const server = await stage.server();
  const author = await stage.client(server.origin, "ada");
  await author.add(board, "first");
  const ada = await stage.device(server, "ada");
  const bob = await stage.device(server, "bob");
  const [card] = ada.cards;
  if (card === undefined) throw new Error("there is no card");
  const moves = await Promise.allSettled([
    ada.client.move(board, card.id, "doing", card.version),
    bob.client.move(board, card.id, "done", card.version),
  ]);
  const [kept] = server.cards(board);
  const isSame = () => [ada, bob].every((device) => device.cards[0]?.column === kept?.column);
  await until(isSame, 5_000);
  return {
    moved: moves.filter(({ status }) => status === "fulfilled").length,
    told: moves.filter((move) => "reason" in move && move.reason.name === "ConflictError").length,
    isSame: isSame(),
  };
}
