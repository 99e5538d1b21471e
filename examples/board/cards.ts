/** What server and page know of cards. */
export const columns = ["todo", "doing", "done"] as const;

export interface Card {
  readonly id: string;
  readonly title: string;
  readonly column: (typeof columns)[number];
  /** The number of the card's last change, among all changes of the board. */
  readonly version: number;
}

/** Returns the cards with this one, unless they have a newer one. */
export function newest(cards: Card[], card: Card): Card[] {
  if (cards.some(({ id, version }) => id === card.id && version > card.version)) return cards;
  return [...cards.filter(({ id }) => id !== card.id), card];
}
