// SPDX-License-Identifier: Apache-2.0

// Reads asyncapi.yaml with the parser of AsyncAPI: no error, no warning, every reference resolved.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Parser } from "@asyncapi/parser";

const source = fileURLToPath(new URL("../asyncapi.yaml", import.meta.url));
const { document, diagnostics } = await new Parser().parse(readFileSync(source, "utf8"), { source });

const [error, warning] = [0, 1]; // What is less severe is advice, such as that a newer AsyncAPI exists.
const faults = diagnostics.filter((d) => d.severity === error || d.severity === warning);
for (const d of faults) console.error(`asyncapi.yaml:${d.range.start.line + 1}: ${d.code}: ${d.message}`);
if (!document) throw new Error("asyncapi.yaml is not a document");

const messages = document.allMessages().all();
for (const message of messages) {
  const unresolved = JSON.stringify(message.payload().json()).match(/"\$ref":"(?!#)[^"]*"/);
  if (unresolved) faults.push(console.error(`${message.id()}: not resolved: ${unresolved[0]}`));
}
console.log(`AsyncAPI: ${document.operations().all().length} operations, ${messages.length} messages, ${faults.length} faults`);
if (faults.length > 0 || messages.length === 0) process.exitCode = 1;
