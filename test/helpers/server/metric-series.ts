/** What a page of metrics shows: each line of the text format, as `name{labels}` and its value. */
export function series(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

/** The series that the metrics on a port of this machine show now. */
export async function scrape(port: number | undefined): Promise<Map<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const type = answer.headers.get("content-type") ?? "";
  if (answer.status !== 200 || !type.startsWith("text/plain; version=0.0.4"))
    throw new Error(`/metrics: ${answer.status}, ${type}`);
  return series(await answer.text());
}
