#!/usr/bin/env node
import { run } from "./program.js";

const code = await run(process.argv.slice(2));
// also when a server is up already, and would run on half prepared
if (code !== 0) process.exit(code);
