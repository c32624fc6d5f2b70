// SPDX-License-Identifier: Apache-2.0

// Lints openapi.yaml and federation.yaml with Redocly by the rules of redocly.yaml: no error, no warning, and no exception that
// nothing needs.
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { start, tool } from "./process.mjs";

const totals = { errors: 0, warnings: 0, ignored: 0 };
for (const api of ["client", "federation"]) {
  const child = start(tool("redocly"), ["lint", api, "--format", "json", "--max-problems", "1000"], { cwd: import.meta.dirname });
  await child.ended;
  let report;
  try { report = JSON.parse(child.stdout()); } catch { throw new Error(child.output()); }
  for (const { severity, ruleId, message, location } of report.problems.filter((p) => !p.ignored)) {
    console.error(`${severity}: ${ruleId}: ${message} (${location[0].source.ref} ${location[0].pointer})`);
  }
  for (const key of Object.keys(totals)) totals[key] += report.totals[key];
}
const { errors, warnings, ignored } = totals;
const exceptions = Object.values(parse(readFileSync(new URL(".redocly.lint-ignore.yaml", import.meta.url), "utf8")))
  .flatMap((rules) => Object.values(rules).flat()).length;
if (exceptions !== ignored) console.error(`.redocly.lint-ignore.yaml has ${exceptions} exceptions, of which ${ignored} are needed`);
console.log(`Redocly: ${errors} errors, ${warnings} warnings, ${ignored} exceptions`);
if (errors + warnings > 0 || exceptions !== ignored) process.exitCode = 1;
