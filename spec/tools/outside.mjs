// SPDX-License-Identifier: Apache-2.0

// Runs a real server, made from this tree, and what others wrote against it: the TypeScript client directly, the same
// client with its requests going through Prism, and the walk through Prism. Prism is tried first: it must see violations.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canary } from "./canary.mjs";
import { bundle, proxy } from "./prism.mjs";
import { freePort, ready, run, start, stopAll } from "./process.mjs";
import { walk } from "./walk.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const client = here("../../conformance/clients/ts/build/client.js");
const data = mkdtempSync(join(tmpdir(), "parley-spec-"));
chmodSync(data, 0o755); // The user of the private PostgreSQL must get through.

const begin = Date.now();
const tell = (text) => console.log(`${((Date.now() - begin) / 1000).toFixed(1).padStart(5)} s  ${text}`);

/** Builds and starts the server, with nothing of the environment's settings, and returns its address and how to give it an admin command. */
async function serve() {
  await run(process.env.GO ?? "go", ["build", "-o", here("build/parley"), "./server"], { cwd: here("../..") });
  const address = `127.0.0.1:${await freePort()}`;
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_")));
  const options = { cwd: data, env: { ...clean, PARLEY_DATA_DIR: data, PARLEY_LISTEN: address } };
  const child = start(here("build/parley"), ["serve"], options);
  await ready(child, `http://${address}/readyz`);
  return { child, address: `http://${address}`, operator: (...args) => run(here("build/parley"), args, options) };
}

async function main() {
  const bundled = await bundle();
  const tried = await canary(bundled);
  if (tried.faults.length > 0) throw new Error(`Prism does not do its work:\n${tried.faults.join("\n")}`);
  tell(`Prism itself: ${tried.passed} examples pass, ${tried.caught} damaged ones are caught`);

  const server = await serve();
  tell(`the server serves, ${server.address}`);
  tell(`TypeScript client: ${(await run(process.execPath, [client, server.address])).trim()}`);

  const through = await proxy(bundled.file, server.address);
  const args = ["--import", here("preload.mjs"), client, through, server.address];
  tell(`the same through Prism: ${(await run(process.execPath, args)).trim()}`);
  const met = await walk(bundled.document, through, server.operator);
  tell(`walk through Prism: ${met.operations} operations, ${met.statuses} pairs of operation and status, ${met.codes} error codes, 0 violations`);
  if (server.child.process.exitCode !== null) throw new Error(`the server has ended\n${server.child.output()}`);
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stopAll); // Then main fails, and ends as after any failure.
try {
  await main();
} catch (error) {
  console.error(error.stack);
  process.exitCode = 1;
} finally {
  await stopAll();
  rmSync(data, { recursive: true, force: true });
}
