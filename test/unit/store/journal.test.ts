import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { Journal } from "../../../src/store/file/journal.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { withFolder } from "../../helpers/temporary-folder.js";

/** What a journal has, as one of its readers knows it. */
class Reader {
  readonly journal: Journal;
  begun = 0;
  values: unknown[] = [];

  constructor(folder: string) {
    this.journal = new Journal(folder, "test.jsonl");
  }

  async read(): Promise<readonly unknown[]> {
    const begin = () => {
      this.begun++;
      this.values = [];
    };
    await this.journal.read(begin, (value) => this.values.push(value));
    return this.values;
  }
}

const one = { n: 1 };
const two = { n: 2, text: "zwei: ä\u2028\n" };

describe("a journal", () => {
  it("gives its readers what was added since they last looked, each once", () =>
    withFolder(async (folder) => {
      const [writer, reader] = [new Reader(folder), new Reader(folder)];
      expect(await reader.read()).to.deep.equal([]);
      await writer.journal.append([one]);
      expect(await reader.read()).to.deep.equal([one]);
      await writer.journal.append([two, one]);
      await Promise.all([reader.read(), reader.read(), reader.read()]);
      expect(reader.values).to.deep.equal([one, two, one]);
      expect([reader.begun, reader.journal.lines, writer.journal.lines]).to.deep.equal([1, 3, 3]);
      expect(await new Reader(folder).read()).to.deep.equal([one, two, one]);
      expect((await stat(join(folder, "test.jsonl"))).mode & 0o777).to.equal(0o600);
    }));

  it("is read from its beginning when it was written anew, also when it has grown to the same length", () =>
    withFolder(async (folder) => {
      const [writer, reader] = [new Reader(folder), new Reader(folder)];
      await writer.journal.append([{ n: 1 }, { n: 2 }]);
      await reader.read();
      await writer.journal.replace([{ n: 3 }]);
      await writer.journal.append([{ n: 4 }]);
      expect(await reader.read()).to.deep.equal([{ n: 3 }, { n: 4 }]);
      expect([reader.begun, reader.journal.lines]).to.deep.equal([2, 2]);
    }));

  it("is read whatever its length, a part at a time", () =>
    withFolder(async (folder) => {
      const [writer, reader] = [new Reader(folder), new Reader(folder)];
      const values = Array.from({ length: 5_000 }, (_, n) => ({ n, text: "ä".repeat(n % 500) }));
      await writer.journal.replace(values);
      await writer.journal.append([{ text: "x".repeat(3_000_000) }]);
      expect(await reader.read()).to.have.length(5_001);
      expect(reader.values.slice(0, -1)).to.deep.equal(values);
    }));

  it("loses nothing but the line that a crash has cut short, which the next writer takes away", () =>
    withFolder(async (folder) => {
      const path = join(folder, "test.jsonl");
      const first = new Reader(folder);
      await first.journal.append([one, two]);
      const { size } = await stat(path);
      await truncate(path, size - 3);
      const second = new Reader(folder);
      expect(await second.read()).to.deep.equal([one]);
      await second.journal.append([{ n: 3 }]);
      expect(await new Reader(folder).read()).to.deep.equal([one, { n: 3 }]);
      await appendFile(path, '{"n":4');
      expect(await second.read()).to.deep.equal([one]); // what it has written itself it knows
      await appendFile(path, "}\n"); // it was being written
      expect(await second.read()).to.deep.equal([one, { n: 4 }]);
    }));

  it("says which line is damaged, again and again, and gives what stands before it once", () =>
    withFolder(async (folder) => {
      const path = join(folder, "test.jsonl");
      const reader = new Reader(folder);
      await new Reader(folder).journal.append([one]);
      await reader.read();
      await appendFile(path, '{"n":2}\n{"n":\n');
      for (let n = 0; n < 2; n++)
        expect((await rejectionOf(reader.read())).message).to.include(
          `${path} is damaged in line 4`,
        );
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace('{"n":\n', '{"n":3}\n'));
      expect(await reader.read()).to.deep.equal([one, { n: 2 }, { n: 3 }]);
      await writeFile(path, "something else\n");
      expect((await rejectionOf(new Reader(folder).read())).message).to.include(
        "is damaged in line 1",
      );
    }));
});
