// SPDX-License-Identifier: Apache-2.0

// Validates every example of the specification with ajv: the files of examples/, the examples in openapi.yaml and those
// in asyncapi.yaml. A valid one must validate and an invalid one must not.
import { readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { parse } from "yaml";

const spec = new URL("..", import.meta.url);
const read = (name) => readFileSync(new URL(name, spec), "utf8");
const base = "https://parley.chat/spec/";

// Strict: an unknown keyword or format is an error. strictRequired and strictTypes know nothing of what stands beside an
// `if` or a $ref, where the specification has the rest.
const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: true });
addFormats(ajv);
ajv.addVocabulary(["openapi", "info", "servers", "tags", "security", "paths", "components", "example"]);

const schemas = readdirSync(new URL("schemas", spec)).map((file) => basename(file, ".json"));
for (const name of schemas) ajv.addSchema(JSON.parse(read(`schemas/${name}.json`)));
const openapi = parse(read("openapi.yaml"));
ajv.addSchema({ ...openapi, $id: `${base}openapi.yaml` });

const counts = { valid: 0, invalid: 0, openapi: 0, asyncapi: 0 };
const faults = [];

/** Holds a value against the schema at an address; want says whether it must validate. */
function hold(kind, where, address, value, want = true) {
  const validate = ajv.getSchema(address);
  if (!validate) throw new Error(`${where}: there is no schema at ${address}`);
  counts[kind]++;
  if (validate(value) === want) return;
  faults.push(want ? `${where}: ${ajv.errorsText(validate.errors)}` : `${where} validates`);
}

const component = (name) => `${base}openapi.yaml#/components/schemas/${name}`;
const file = (name) => `${base}schemas/${name}.json`;

for (const name of readdirSync(new URL("examples", spec))) {
  for (const example of readdirSync(new URL(`examples/${name}`, spec))) {
    const where = `examples/${name}/${example}`;
    const kind = example.split(/[-.]/)[0];
    if (kind !== "valid" && kind !== "invalid") faults.push(`${where} is neither valid nor invalid by its name`);
    else hold(kind, where, schemas.includes(name) ? file(name) : component(name), JSON.parse(read(where)), kind === "valid");
  }
}

/** Visits everything in openapi.yaml that has both a schema and an example. */
function visit(node, path) {
  if (typeof node !== "object" || node === null) return;
  if (node.schema && "example" in node) {
    const pointer = [...path, "schema"].map((key) => encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1")));
    hold("openapi", `openapi.yaml: example of ${path.join(" ")}`, `${base}openapi.yaml#/${pointer.join("/")}`, node.example);
  }
  for (const [key, value] of Object.entries(node)) if (key !== "example") visit(value, [...path, key]);
}
visit(openapi, []);

for (const [name, message] of Object.entries(parse(read("asyncapi.yaml")).components.messages)) {
  for (const { payload } of message.examples) hold("asyncapi", `asyncapi.yaml: example of ${name}`, file(name), payload);
}

for (const fault of faults) console.error(fault);
const { valid, invalid } = counts;
console.log(`ajv: ${valid} valid and ${invalid} invalid files, ${counts.openapi} examples in openapi.yaml, ${counts.asyncapi} in asyncapi.yaml`);
if (faults.length > 0 || Object.values(counts).includes(0)) process.exitCode = 1;
