// SPDX-License-Identifier: Apache-2.0

// One function for every operation of openapi.yaml, typed by what openapi-typescript made of that file: a path, method,
// parameter or body that the specification does not know does not compile, and the answer has the documented type.
import type { paths } from "./build/api.js";

type Method = "get" | "post" | "put" | "patch" | "delete";
type Json<T> = T extends { content: { "application/json": infer B } } ? B : never;
type Good<O> = O extends { responses: infer R } ? { [S in keyof R & (200 | 201)]: Json<R[S]> }[keyof R & (200 | 201)] : never;
type Body<O> = O extends { requestBody: infer R } ? Json<R> : undefined;
type Params<O, In extends "path" | "query"> = O extends { parameters: { [K in In]?: infer P } } ? P : undefined;
export type Options<O> = { token?: string; path?: Params<O, "path">; query?: Params<O, "query">; body?: Body<O> };

export async function call<P extends keyof paths, M extends Method & keyof paths[P]>(
  server: string, method: M, path: P, { token, path: names, query, body }: Options<paths[P][M]> = {},
): Promise<Good<paths[P][M]>> {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent((names as Record<string, string>)[name]!));
  const url = new URL(filled, server);
  for (const [key, value] of Object.entries(query ?? {})) url.searchParams.set(key, String(value));
  const answer = await fetch(url, {
    method: method.toUpperCase(),
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body ? { "content-type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : null,
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${filled}: ${answer.status} ${text}`);
  return (text ? JSON.parse(text) : undefined) as Good<paths[P][M]>;
}
