// SPDX-License-Identifier: Apache-2.0

// Lints openapi.yaml with Redocly by the rules of redocly.yaml: no error, no warning, and no exception that nothing needs.
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { start, tool } from "./process.mjs";

const child = start(tool("redocly"), ["lint", "client", "--format", "json", "--max-problems", "1000"], { cwd: import.meta.dirname });
await child.ended;
let report;
try { report = JSON.parse(child.stdout()); } catch { throw new Error(child.output()); }
const found = report.problems.filter((p) => !p.ignored);
for (const { severity, ruleId, message, location } of found) {
  console.error(`${severity}: ${ruleId}: ${message} (${location[0].source.ref} ${location[0].pointer})`);
}
const { errors, warnings, ignored } = report.totals;
const exceptions = Object.values(parse(readFileSync(new URL(".redocly.lint-ignore.yaml", import.meta.url), "utf8")))
  .flatMap((rules) => Object.values(rules).flat()).length;
if (exceptions !== ignored) console.error(`.redocly.lint-ignore.yaml has ${exceptions} exceptions, of which ${ignored} are needed`);
console.log(`Redocly: ${errors} errors, ${warnings} warnings, ${ignored} exceptions`);
if (errors + warnings > 0 || exceptions !== ignored) process.exitCode = 1;
