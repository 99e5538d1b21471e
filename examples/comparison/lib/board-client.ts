/** What each of the five clients can do, so that one scenario drives them all. */
import type { Card } from "../../board/cards.ts";

export type { Card };
export type Column = Card["column"];

export interface BoardClient {
  login(user: string, password: string): Promise<void>;
  /** Ends all logins of the user, on all devices. */
  signOutEverywhere(): Promise<void>;
  /** Shows the cards of a board and each change, until `ended` says why there are no more. */
  watch(board: string, show: (cards: readonly Card[]) => void, ended: (why: string) => void): void;
  add(board: string, title: string): Promise<void>;
  /** Rejects with `ConflictError` if the card has another version. */
  move(board: string, id: string, column: Column, version: number): Promise<void>;
  removeMember(board: string, user: string): Promise<void>;
  close(): Promise<void> | void;
}

/** Somebody else moved the card first. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** Each client's module exports one as `connect`. `origin` is the server's. */
export type Connect = (origin: string) => BoardClient;
