/** The other end of a `Child`: `questions` maps names to functions of the details. */
export function answer(questions) {
  process.on("message", async ({ id, question, details }) => {
    try {
      process.send({ id, result: await questions[question](details) });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
  process.on("disconnect", () => process.exit());
}

/** CPU time of this process since its start, microseconds: all threads, user and system. */
export function cpuTime() {
  const { user, system } = process.cpuUsage();
  return user + system;
}
