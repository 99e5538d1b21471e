/**
 * Makes `node_modules/jotwire` a link to this folder, so that examples which have a package.json of
 * their own find the package by its name, as they do where it is installed.
 */
import { readlinkSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const link = fileURLToPath(new URL("../node_modules/jotwire", import.meta.url));

try {
  symlinkSync("..", link, "junction");
} catch (error) {
  readlinkSync(link); // throws where something else stands there
  if (error.code !== "EEXIST") throw error;
}
