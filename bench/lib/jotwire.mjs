import { pathToFileURL } from "node:url";

/** Where the build is: this repository's, or another one's to compare with. */
const build =
  process.env.JOTWIRE_DIST === undefined
    ? new URL("../../dist/", import.meta.url)
    : pathToFileURL(`${process.env.JOTWIRE_DIST}/`);

/** Imports a file of the build. */
export function jotwire(file) {
  return import(new URL(file, build));
}
