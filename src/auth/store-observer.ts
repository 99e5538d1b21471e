/** Hears of each operation at a store when it has ended: its name, such as `users.get`, how long it took in seconds, and whether it failed. */
export type StoreObserver = (operation: string, duration: number, hasFailed: boolean) => void;
