/** What lacks a summary today: nothing may join it. Remove a name once it has its doc comment. */
export const undocumentedToday: readonly string[] = [];
