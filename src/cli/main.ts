#!/usr/bin/env node
import { run } from "./program.js";

const code = await run(process.argv.slice(2));
if (code !== 0) process.exit(code); // also when a server is up already, and would run on half prepared
