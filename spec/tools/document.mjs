// SPDX-License-Identifier: Apache-2.0

// What the checks ask of a bundled OpenAPI document.

const methods = ["get", "post", "put", "patch", "delete"];

export function follow(document, node) {
  while (node?.$ref) node = node.$ref.slice(2).split("/").reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
  return node;
}

/** Every operation by its id: method, path, codes, parameters with examples, the body and the responses. */
export function operations(document) {
  const all = new Map();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of methods.filter((m) => item[m])) {
      const operation = item[method];
      all.set(operation.operationId, {
        method: method.toUpperCase(),
        path,
        codes: operation["x-errors"],
        secured: !(operation.security?.length === 0),
        parameters: (operation.parameters ?? []).map((p) => follow(document, p)),
        body: operation.requestBody?.content["application/json"]?.example,
        responses: Object.fromEntries(Object.entries(operation.responses).map(([status, r]) => [status, follow(document, r)])),
      });
    }
  }
  return all;
}

/** The address of an operation with the names of its path filled in. */
export function address(operation, names) {
  return operation.path.replace(/\{(\w+)\}/g, (_, name) => {
    if (names[name] === undefined) throw new Error(`${operation.path} needs ${name}`);
    return encodeURIComponent(names[name]);
  });
}
