// SPDX-License-Identifier: Apache-2.0

// Checks that Prism sees violations at all, in every operation: before a server that answers what it is told, the example
// of each answer must pass, and the same example with any one of its values damaged must not. Requests likewise. Errors
// are alike everywhere, so of each there is one damaged, an empty object.
import { createServer } from "node:http";
import { address, operations } from "./document.mjs";
import { proxy } from "./prism.mjs";

// Members that may be any JSON: nothing is damage there.
const free = { getDatum: ["value"], putDatum: ["value"] };

/** Every copy of a JSON value in which one scalar is something else. */
function* damaged(value, anything = []) {
  if (typeof value !== "object" || value === null) { yield { damaged: true }; return; }
  for (const key of Object.keys(value).filter((k) => !anything.includes(k))) {
    for (const worse of damaged(value[key])) {
      const copy = structuredClone(value);
      copy[key] = worse;
      yield copy;
    }
  }
}

/** A server that gives the answer it was last told. */
class Parrot {
  answer = {};
  async listen() {
    this.server = createServer((request, response) => {
      request.resume();
      request.once("end", () => {
        response.writeHead(this.answer.status, { "content-type": this.answer.type, "retry-after": "1" });
        response.end(JSON.stringify(this.answer.body));
      });
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => this.server.once("listening", resolve));
    return `http://127.0.0.1:${this.server.address().port}`;
  }
  close() { this.server.close(); this.server.closeAllConnections(); }
}

/** Returns what was found, as lines, and how many exchanges passed and were caught. */
export async function canary({ file, document }) {
  const parrot = new Parrot();
  try {
    parrot.answer = { status: 200, type: "application/json", body: {} };
    return await tryAll(operations(document), await proxy(file, await parrot.listen()), parrot);
  } finally {
    parrot.close();
  }
}

async function tryAll(all, through, parrot) {
  const counts = { passed: 0, caught: 0 };
  const faults = [];
  async function exchange(id, operation, body, what, want) {
    const names = Object.fromEntries(operation.parameters.map((p) => [p.name, p.example]));
    const headers = { authorization: "Bearer pa_AAE7lq0X1Zt6rV2mC9sK4uH8wB3yN5dG1fJ7lq0X1Zt6r", ...(body && { "content-type": "application/json" }) };
    const got = await fetch(through + address(operation, names), { method: operation.method, headers, body: body && JSON.stringify(body) });
    const text = await got.text();
    const violated = text.includes("stoplight.io/prism");
    counts[want ? "caught" : "passed"]++;
    if (violated !== want) faults.push(`${id}: ${what}: ${want ? "Prism let it pass" : text}`);
  }

  for (const [id, operation] of all) {
    for (const [status, response] of Object.entries(operation.responses)) {
      for (const [type, { example }] of Object.entries(response.content ?? {})) {
        if (example === undefined) continue;
        parrot.answer = { status: Number(status), type, body: example };
        await exchange(id, operation, operation.body, `the example of ${status}`, false);
        for (const worse of Number(status) < 400 ? damaged(example, free[id]) : [{}]) {
          parrot.answer.body = worse;
          await exchange(id, operation, operation.body, `a damaged ${status}, ${JSON.stringify(worse)}`, true);
        }
      }
    }
    for (const worse of operation.body ? damaged(operation.body, free[id]) : []) {
      await exchange(id, operation, worse, `a damaged request, ${JSON.stringify(worse)}`, true);
    }
  }
  return { faults, ...counts };
}
