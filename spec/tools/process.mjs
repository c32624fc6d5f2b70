// SPDX-License-Identifier: Apache-2.0

// Starts and ends the processes of a check. All listen on loopback, on ports that were free a moment before.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const running = new Set();
let stopping = false;
const deadline = 60_000;

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a program to its end and returns its standard output; throws with all it printed if it failed. */
export async function run(command, args, options = {}) {
  const child = start(command, args, options);
  const code = await child.ended;
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${code}\n${child.output()}`);
  return child.stdout();
}

/** Starts a program. ended resolves to its exit code. */
export function start(command, args, options = {}) {
  if (stopping) throw new Error("interrupted");
  const process_ = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  const said = [];
  const out = [];
  process_.stdout.on("data", (chunk) => { said.push(chunk); out.push(chunk); });
  process_.stderr.on("data", (chunk) => said.push(chunk));
  const ended = new Promise((resolve, reject) => { process_.once("error", reject); process_.once("close", resolve); });
  const child = { process: process_, ended, output: () => Buffer.concat(said).toString(), stdout: () => Buffer.concat(out).toString() };
  running.add(child);
  ended.finally(() => running.delete(child)).catch(() => {});
  return child;
}

/** Waits until the program answers at the address. */
export async function ready(child, url) {
  for (const end = Date.now() + deadline; Date.now() < end; await sleep(50)) {
    if (child.process.exitCode !== null) break;
    const answer = await fetch(url).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
  }
  throw new Error(`nothing useful at ${url}\n${child.output()}`);
}

/** Ends what still runs, in order, the last started first. Nothing can be started from then on. */
export async function stopAll() {
  stopping = true;
  for (const child of [...running].reverse()) {
    child.process.kill("SIGTERM");
    const forced = setTimeout(() => child.process.kill("SIGKILL"), 15_000);
    await child.ended.catch(() => {});
    clearTimeout(forced);
  }
}

/** A command that npm installed beside this file. Started without npx, so that one process is one process. */
export const tool = (name) => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url));
