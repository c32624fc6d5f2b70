// SPDX-License-Identifier: Apache-2.0

// Walks over every operation of openapi.yaml through Prism, before a real server: each documented good status, and errors
// that a request can meet although it has the documented form. (Prism keeps the other requests to itself.)
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { changes, channels, governing, moderation, personal } from "./chapters.mjs";
import { address, operations } from "./document.mjs";
import { nobody, password, person, unknownConversation, unknownULID } from "./people.mjs";
import { watched } from "./watch.mjs";

// What the walk cannot have through a proxy that reads an answer to its end.
const away = "needs another server that orders the conversation; the tests of server/homeserver hold it against the document";
const elsewhere = new Map([
  ["openSocket 101", "the client of conformance/clients/ts opens sockets, directly"],
  ["moveHub 200", "needs another server to move to; the tests of server/homeserver hold it against the document"],
  ...["removeMember", "sendMessage", "editMessage", "deleteMessage", "addReaction", "removeReaction"].map((id) => [`${id} 202`, away]),
]);

/** Calls every operation of the document at a server; operator runs a command of its operator. Returns what was met: how many operations, statuses and codes. */
export async function walk(document, server, operator) {
  const all = operations(document);
  const met = new Set();
  const codes = new Set();

  /** One exchange. want is a status, or a status and a code. Returns the body. */
  async function ask(id, want, { as, names = {}, query = {}, body, headers = {} } = {}) {
    const operation = all.get(id);
    const url = new URL(address(operation, names), server);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const answer = await watched(url, {
      method: operation.method,
      headers: { ...(as && { authorization: `Bearer ${as.accessToken}` }), ...(body && { "content-type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    const [status, code] = String(want).split(" ");
    assert.equal(answer.status, Number(status), `${id}: want ${want}, got ${answer.status} ${text}`);
    met.add(`${id} ${status}`);
    const json = /json/.test(answer.headers.get("content-type")) ? JSON.parse(text) : text;
    if (code) {
      assert.equal(json.code, code, `${id}: ${text}`);
      assert(operation.codes.includes(code), `${id} does not document ${code}`);
      codes.add(code);
    }
    return json;
  }

  for (const chapter of [operating, accounts, conversations, messages, changes, governing, personal, channels, sync, moderation, endings]) await chapter(ask, operator);

  const documented = [...all].flatMap(([id, o]) => Object.keys(o.responses).filter((s) => s < 400).map((s) => `${id} ${s}`));
  const missed = documented.filter((what) => !met.has(what) && !elsewhere.has(what));
  assert.deepEqual(missed, [], "good answers that the walk did not meet");
  return { operations: new Set([...met].map((m) => m.split(" ")[0])).size, statuses: met.size, codes: codes.size };
}

async function operating(ask) {
  for (const id of ["healthz", "readyz", "metrics", "docs"]) await ask(id, 200);
  const { serverName } = await ask("discover", 200);
  assert.equal((await ask("readServerKeys", 200)).serverName, serverName);
}

async function accounts(ask) {
  const alice = await person(ask, "alice", { displayName: "Alice" });
  const bob = await person(ask, "bob");
  await ask("register", "409 username_taken", { body: { username: alice.username, password } });
  await ask("register", "400 invalid_field", { body: { username: "carol", password: "short" } });
  await ask("login", 200, { body: { username: alice.username, password, deviceName: "second" } });
  await ask("login", 200, { body: { username: alice.userId, password } });
  await ask("login", "401 wrong_credentials", { body: { username: alice.username, password: "wrong horse" } });
  Object.assign(bob, await ask("refresh", 200, { body: { refreshToken: bob.refreshToken } }));
  await ask("refresh", "401 refresh_invalid", { body: { refreshToken: nobody.accessToken } });

  const { devices } = await ask("listDevices", 200, { as: alice });
  assert.equal(devices.length, 3);
  await ask("listDevices", "401 unauthenticated", { as: nobody });
  const { deviceId } = devices.find((d) => !d.isCurrent);
  await ask("removeDevice", 204, { as: alice, names: { deviceId } });
  await ask("removeDevice", "404 unknown_device", { as: alice, names: { deviceId: unknownULID } });

  await ask("getMe", 200, { as: alice });
  const phoneNumber = `+4930${String(Math.floor(Math.random() * 1e7)).padStart(7, "0")}`;
  await ask("editMe", 200, { as: alice, body: { displayName: "Alice A.", avatarUrl: "https://example.org/a.png", phoneNumber } });
  await ask("editMe", "409 phone_number_taken", { as: bob, body: { phoneNumber } });
  await ask("register", "409 phone_number_taken", { body: { username: `${bob.username}-2`, password, phoneNumber } });
  assert.equal((await ask("getUser", 200, { as: bob, names: { userId: alice.userId } })).phoneNumber, undefined);
  await ask("getUser", "404 unknown_user", { as: bob, names: { userId: alice.userId.replace("@", "x@") } });

  await ask("changePassword", "401 wrong_credentials", { as: bob, body: { currentPassword: "wrong horse", newPassword: password } });
  await ask("changePassword", 204, { as: bob, body: { currentPassword: password, newPassword: "battery staple", keepDevices: true } });
}

async function conversations(ask) {
  const [alice, bob, carol, dave] = [await person(ask, "alice"), await person(ask, "bob"), await person(ask, "carol"), await person(ask, "dave")];
  const direct = { type: "direct", members: [bob.userId] };
  const { conversationId: two } = await ask("createConversation", 201, { as: alice, body: direct });
  assert.equal((await ask("createConversation", 200, { as: alice, body: direct })).conversationId, two);
  await ask("createConversation", "404 unknown_user", { as: alice, body: { type: "direct", members: [bob.userId.replace("@", "x@")] } });
  await ask("createConversation", "400 invalid_field", { as: alice, body: { type: "direct", members: [] } });
  const { conversationId } = await ask("createConversation", 201, { as: alice, body: { type: "group", name: "Climbing", members: [bob.userId] } });
  const names = { conversationId };

  const first = await ask("listConversations", 200, { as: alice, query: { limit: 1 } });
  const second = await ask("listConversations", 200, { as: alice, query: { limit: 1, cursor: first.nextCursor } });
  assert.deepEqual([first.conversations[0].conversationId, second.conversations[0].conversationId], [conversationId, two]);
  await ask("listConversations", "400 invalid_cursor", { as: alice, query: { cursor: "nonsense" } });
  await ask("getConversation", 200, { as: bob, names });
  await ask("getConversation", "404 unknown_conversation", { as: carol, names });
  await ask("editConversation", 200, { as: alice, names, body: { name: "Bouldering" } });
  await ask("editConversation", "403 insufficient_role", { as: bob, names, body: { name: "Fencing" } });
  await ask("editConversation", "409 direct_fixed", { as: bob, names: { conversationId: two }, body: { name: "Fencing" } });

  await ask("addMembers", 200, { as: alice, names, body: { userIds: [carol.userId, dave.userId] } });
  await ask("addMembers", "409 already_member", { as: alice, names, body: { userIds: [carol.userId] } });
  await ask("addMembers", "403 insufficient_role", { as: bob, names, body: { userIds: [carol.userId] } });
  const page = await ask("listMembers", 200, { as: bob, names, query: { limit: 3 } });
  const rest = await ask("listMembers", 200, { as: bob, names, query: { limit: 3, cursor: page.nextCursor } });
  assert.deepEqual([...page.members, ...rest.members].map((m) => m.userId).sort(), [alice, bob, carol, dave].map((u) => u.userId).sort());
  await ask("editMember", 200, { as: alice, names: { ...names, userId: bob.userId }, body: { role: "admin" } });
  await ask("editMember", "403 insufficient_role", { as: carol, names: { ...names, userId: bob.userId }, body: { role: "member" } });
  await ask("removeMember", 204, { as: bob, names: { ...names, userId: carol.userId } });
  await ask("removeMember", 204, { as: dave, names: { ...names, userId: dave.userId } });
  await ask("removeMember", "404 unknown_user", { as: alice, names: { ...names, userId: dave.userId } });
  await ask("listMembers", "403 not_member", { as: carol, names });
  await ask("getConversation", 200, { as: carol, names });
  await ask("readCheckpoint", 200, { as: bob, names });
  await ask("readCheckpoint", "403 not_member", { as: carol, names });
}

async function messages(ask) {
  const [alice, bob] = [await person(ask, "alice"), await person(ask, "bob")];
  const { conversationId } = await ask("createConversation", 201, { as: alice, body: { type: "direct", members: [bob.userId] } });
  const names = { conversationId };
  const send = (want, body, as = alice) => ask("sendMessage", want, { as, names, body: { contentType: "text", ...body } });

  const ack = await send(201, { tempId: "t-1", content: "Hello Bob" });
  assert.deepEqual(await send(201, { tempId: "t-1", content: "Hello Bob" }), ack);
  await send("409 temp_id_conflict", { tempId: "t-1", content: "Hello Carol" });
  await send(201, { tempId: "t-2", content: "Hello Alice", replyToMessageId: ack.messageId }, bob);
  await send("404 unknown_message", { tempId: "t-3", content: "?", replyToMessageId: unknownULID });
  await send(201, { tempId: "t-4", contentType: "image", mediaUrl: "https://example.org/a.png", content: "the wall" });
  await send(201, { tempId: "t-5", encryptedContent: "c2VjcmV0" });
  await send("413 content_too_large", { tempId: "t-6", content: "€".repeat(30_000) });
  await send("413 body_too_large", { tempId: "t-7", content: "small", padding: "x".repeat(140_000) });
  const lost = { conversationId: unknownConversation };
  await ask("sendMessage", "404 unknown_conversation", { as: alice, names: lost, body: { tempId: "t-8", contentType: "text", content: "Anyone?" } });

  const receipt = (want, body, as = bob) => ask("sendReceipt", want, { as, names, body });
  await receipt(204, { messageId: ack.messageId, status: "read" });
  await receipt("404 unknown_message", { messageId: unknownULID, status: "read" });

  const list = (want, query) => ask("listMessages", want, { as: bob, names, query });
  const newest = await list(200, { limit: 2 });
  const older = await list(200, { limit: 200, cursor: newest.nextCursor });
  assert.deepEqual([...newest.messages, ...older.messages].map((e) => e.seq), [4, 3, 2, 1, 0]);
  assert.deepEqual((await list(200, { afterSeq: -1, beforeSeq: 3 })).messages.map((e) => e.seq), [0, 1, 2]);
  await list("400 invalid_cursor", { cursor: "nonsense" });
  await ask("listMessages", "404 unknown_conversation", { as: bob, names: lost });
}

async function sync(ask) {
  const [alice, bob] = [await person(ask, "alice"), await person(ask, "bob")];
  const { conversationId } = await ask("createConversation", 201, { as: alice, body: { type: "direct", members: [bob.userId] } });
  await ask("sendMessage", 201, { as: alice, names: { conversationId }, body: { tempId: "t-1", contentType: "text", content: "Hello Bob" } });
  const first = await ask("sync", 200, { as: bob });
  assert.deepEqual(first.messages.map((e) => e.seq), [0, 1]);
  const nothing = await ask("sync", 200, { as: bob, query: { cursor: first.cursor, timeout: 100 } });
  assert.deepEqual([nothing.messages, nothing.conversations, nothing.receipts], [[], [], []]);
  await ask("sync", "400 invalid_cursor", { as: bob, query: { cursor: "nonsense" } });

  await ask("events", "400 invalid_cursor", { as: bob, query: { cursor: "nonsense" } });
  await ask("createTicket", 200, { as: bob });
  await ask("openSocket", "400 subprotocol_required", { as: bob });

  await ask("logout", 204, { as: bob });
  await ask("sync", "401 unauthenticated", { as: bob });
  await stream(ask, bob.username, first.cursor);
}

/** Prism hands a stream on when it has ended, and a stream ends with the session: log out once it has begun, as far as one can tell. */
async function stream(ask, username, cursor) {
  let text = "";
  for (let pause = 100; !/^event: sync$/m.test(text); pause *= 3) {
    assert(pause < 10_000, `no sync in the stream, only ${text}`);
    const as = await ask("login", 200, { body: { username, password } });
    const whole = ask("events", 200, { as, headers: { "last-event-id": cursor } });
    await sleep(pause);
    await ask("logout", 204, { as });
    text = await whole;
  }
}

async function endings(ask) {
  const alice = await person(ask, "alice");
  await ask("deactivate", "401 wrong_credentials", { as: alice, body: { password: "wrong horse" } });
  await ask("deactivate", 204, { as: alice, body: { password } });
  await ask("getMe", "401 unauthenticated", { as: alice });
  await ask("login", "401 wrong_credentials", { body: { username: alice.username, password } });
}
