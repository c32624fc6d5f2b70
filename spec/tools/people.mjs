// SPDX-License-Identifier: Apache-2.0

// Who walks, and names of nothing.
import { randomBytes } from "node:crypto";

export const password = "correct horse";
export const nobody = { accessToken: "pa_AAE7lq0X1Zt6rV2mC9sK4uH8wB3yN5dG1fJ7lq0X1Zt6r" };
export const unknownConversation = "cu4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wg";
export const unknownULID = "01M844DZG000000001W2047Q97";

/** A user nobody else knows, with its session. */
export async function person(ask, name, more = {}) {
  const username = `${name}-${randomBytes(4).toString("hex")}`;
  return { username, ...(await ask("register", 201, { body: { username, password, deviceName: "walk", ...more } })) };
}
