// SPDX-License-Identifier: Apache-2.0

const plain = globalThis.fetch;

/** fetch, but throws when Prism, in between, found a violation. */
export async function watched(url, options) {
  const answer = await plain(url, options);
  const found = answer.headers.get("sl-violations");
  const problem = answer.status >= 400 ? await answer.clone().text() : "";
  // What Prism answers by itself, with its own address as type, never came to the server or never left it.
  if (found || answer.status === 500 || problem.includes("stoplight.io/prism")) {
    throw new Error(`Prism: ${options?.method ?? "GET"} ${url}: ${answer.status} ${found ?? ""} ${problem}`);
  }
  return answer;
}
