// SPDX-License-Identifier: Apache-2.0

// Prism's validating proxy, on one file made of openapi.yaml and schemas/.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { freePort, ready, run, start, tool } from "./process.mjs";

const build = fileURLToPath(new URL("build/", import.meta.url));

/**
 * Writes the document that Prism gets and returns its path. Prism copies a schema to each place that refers to it and
 * then silently validates nothing where two copies have the same $id; in one file no schema needs its $id.
 */
export async function bundle() {
  mkdirSync(build, { recursive: true });
  const file = `${build}openapi.json`;
  await run(tool("redocly"), ["bundle", fileURLToPath(new URL("../openapi.yaml", import.meta.url)), "--output", file]);
  const document = JSON.parse(readFileSync(file, "utf8"), function (key, value) {
    return (key === "$id" || key === "$schema") && typeof value === "string" ? undefined : value;
  });
  writeFileSync(file, JSON.stringify(document));
  return { file, document };
}

/** Starts Prism before a server and returns its address. A violation is answered with 500 or 422 instead of passed on. */
export async function proxy(file, upstream) {
  const port = await freePort();
  const child = start(tool("prism"), ["proxy", file, upstream, "--errors", "--port", String(port), "--verboseLevel", "warn"]);
  const address = `http://127.0.0.1:${port}`;
  await ready(child, `${address}/healthz`);
  return address;
}
