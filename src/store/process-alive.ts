/** Does a process of this id run on this machine? */
export function isAlive(pid: number): boolean {
  if (pid <= 0) return false; // not a process: 0 would ask about our own group
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"; // it is there, and somebody else's
  }
}
