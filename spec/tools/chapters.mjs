// SPDX-License-Identifier: Apache-2.0

// The chapters of the walk on what people do in conversations. Each meets every good status of its operations.
import assert from "node:assert/strict";
import { person, password, unknownConversation, unknownULID } from "./people.mjs";

/** What happens to messages: edits, reactions, deletion, pins, stars, receipts, search. */
export async function changes(ask) {
  const [alice, bob] = [await person(ask, "alice"), await person(ask, "bob")];
  const { conversationId } = await ask("createConversation", 201, { as: alice, body: { type: "group", name: "Climbing", members: [bob.userId] } });
  const send = (tempId, content) => ask("sendMessage", 201, { as: alice, names: { conversationId }, body: { tempId, contentType: "text", content } });
  const { messageId } = await send("t-1", "Helo Bob");
  const names = { conversationId, messageId };
  const by = (as, more = {}) => ({ as, names: { ...names, ...more } });

  assert.equal((await ask("editMessage", 200, { ...by(alice), body: { content: "Hello Bob!" } })).content, "Hello Bob!");
  await ask("editMessage", "403 forbidden", { ...by(bob), body: { content: "Hello Alice" } });
  assert.equal((await ask("listEdits", 200, by(bob))).versions.length, 2);

  await ask("addReaction", 204, by(bob, { emoji: "👍" }));
  assert.equal((await ask("listReactions", 200, by(alice))).reactions[0].emoji, "👍");
  await ask("removeReaction", 204, by(bob, { emoji: "👍" }));

  await ask("pinMessage", 204, by(alice));
  await ask("pinMessage", "403 insufficient_role", by(bob));
  assert.equal((await ask("listPins", 200, by(bob))).messages.length, 1);
  await ask("unpinMessage", 204, by(alice));

  await ask("star", 204, by(bob));
  assert.equal((await ask("listStarred", 200, { as: bob })).messages[0].messageId, messageId);
  await ask("unstar", 204, by(bob));

  assert.equal((await ask("listReceipts", 200, by(alice))).memberCount, 1);
  assert.equal((await ask("findMessages", 200, { as: bob, query: { senderId: alice.userId } })).messages.length, 1);

  await ask("deleteMessage", 204, by(alice));
  await ask("editMessage", "409 message_deleted", { ...by(alice), body: { content: "again" } });
  const other = await send("t-2", "for me only");
  await ask("deleteMessage", 204, { ...by(bob, { messageId: other.messageId }), query: { for: "me" } });
}

/** Governing a group: handing over, bans, links, requests. */
export async function governing(ask) {
  const [alice, bob, carol, dave] = [await person(ask, "alice"), await person(ask, "bob"), await person(ask, "carol"), await person(ask, "dave")];
  const { conversationId } = await ask("createConversation", 201, { as: alice, body: { type: "group", name: "Climbing", members: [bob.userId] } });
  const by = (as, more = {}) => ({ as, names: { conversationId, ...more } });

  await ask("ban", 204, by(alice, { userId: dave.userId }));
  assert.equal((await ask("listBans", 200, by(alice))).bans.length, 1);
  await ask("listBans", "403 insufficient_role", by(bob));
  await ask("unban", 204, by(alice, { userId: dave.userId }));

  const open = await ask("createLink", 201, { ...by(alice), body: { maxUses: 1 } });
  assert.equal((await ask("previewLink", 200, { as: carol, body: { token: open.token } })).name, "Climbing");
  await ask("joinLink", 200, { as: carol, body: { token: open.token } });
  await ask("joinLink", "409 link_used_up", { as: dave, body: { token: open.token } });
  const asking = await ask("createLink", 201, { ...by(alice), body: { needsApproval: true } });
  const erin = await person(ask, "erin");
  for (const one of [dave, erin]) await ask("joinLink", 202, { as: one, body: { token: asking.token } });
  assert.equal((await ask("listRequests", 200, by(alice))).requests.length, 2);
  await ask("approveRequest", 200, by(alice, { userId: dave.userId }));
  await ask("declineRequest", 204, by(alice, { userId: erin.userId }));
  assert.equal((await ask("listLinks", 200, by(alice))).links.length, 2);
  await ask("revokeLink", 204, by(alice, { linkId: asking.linkId }));
  await ask("joinLink", "409 link_revoked", { as: erin, body: { token: asking.token } });

  await ask("transferOwner", 200, { ...by(alice), body: { userId: bob.userId } });
  await ask("transferOwner", "403 insufficient_role", { ...by(alice), body: { userId: alice.userId } });
}

/** What belongs to one user: settings, account data, blocks, requests, presence. */
export async function personal(ask) {
  const [alice, bob] = [await person(ask, "alice"), await person(ask, "bob")];
  await ask("getSettings", 200, { as: alice });
  await ask("editSettings", 200, { as: alice, body: { readReceipts: false, whoMayMessage: "contacts" } });

  await ask("putDatum", 200, { as: alice, names: { key: "theme" }, body: { value: "dark" } });
  assert.equal((await ask("getDatum", 200, { as: alice, names: { key: "theme" } })).value, "dark");
  assert.deepEqual((await ask("listData", 200, { as: alice })).keys, ["theme"]);
  await ask("deleteDatum", 204, { as: alice, names: { key: "theme" } });
  await ask("getDatum", "404 unknown_key", { as: alice, names: { key: "theme" } });

  const { conversationId } = await ask("createConversation", 201, { as: bob, body: { type: "direct", members: [alice.userId] } });
  const names = { conversationId };
  await ask("sendMessage", 201, { as: bob, names, body: { tempId: "t-1", contentType: "text", content: "Hello?" } });
  await ask("declineConversation", 204, { as: alice, names });
  await ask("acceptConversation", 200, { as: alice, names });
  assert.equal((await ask("editConversationSettings", 200, { as: alice, names, body: { isPinned: true, draft: "dear Bob" } })).isPinned, true);

  await ask("block", 204, { as: alice, names: { userId: bob.userId } });
  assert.equal((await ask("listBlocks", 200, { as: alice })).blocks.length, 1);
  await ask("unblock", 204, { as: alice, names: { userId: bob.userId } });

  await ask("setPresence", 204, { as: bob, body: { status: "online" } });
  await ask("getPresence", 200, { as: alice, names: { userId: bob.userId } });
  await ask("getPresence", "404 unknown_user", { as: alice, names: { userId: bob.userId.replace("@", "x@") } });
}

/** Channels: who writes, who reads. */
export async function channels(ask) {
  const [alice, bob, carol] = [await person(ask, "alice"), await person(ask, "bob"), await person(ask, "carol")];
  const { conversationId } = await ask("createConversation", 201, { as: alice, body: { type: "channel", name: "News", visibility: "public" } });
  const by = (as, more = {}) => ({ as, names: { conversationId, ...more } });
  assert.equal((await ask("subscribe", 200, by(bob))).isSubscribed, true);
  await ask("subscribe", "404 unknown_conversation", { as: bob, names: { conversationId: unknownConversation } });
  await ask("addSubscribers", 200, { ...by(alice), body: { userIds: [carol.userId] } });
  assert.equal((await ask("listSubscribers", 200, by(alice))).subscribers.length, 2);
  await ask("sendMessage", "403 insufficient_role", { ...by(bob), body: { tempId: "t-1", contentType: "text", content: "?" } });
  await ask("removeSubscriber", 204, by(alice, { userId: carol.userId }));
  await ask("unsubscribe", 204, by(bob));
}

/** Reports and moderators, taking one's data along, being erased. operator runs an admin command. */
export async function moderation(ask, operator) {
  const [alice, bob, mod] = [await person(ask, "alice"), await person(ask, "bob"), await person(ask, "mod")];
  const { conversationId } = await ask("createConversation", 201, { as: bob, body: { type: "direct", members: [alice.userId] } });
  const { messageId } = await ask("sendMessage", 201, { as: bob, names: { conversationId }, body: { tempId: "t-1", contentType: "text", content: "Buy!" } });
  const { reportId } = await ask("createReport", 201, { as: alice, body: { conversationId, messageIds: [messageId], reason: "spam" } });
  await ask("listReports", "403 forbidden", { as: alice });
  await operator("admin", "moderator", "add", mod.username);
  assert((await ask("listReports", 200, { as: mod })).reports.some((r) => r.reportId === reportId));
  assert.equal((await ask("getReport", 200, { as: mod, names: { reportId } })).reportId, reportId);
  await ask("getReport", "404 unknown_report", { as: mod, names: { reportId: unknownULID } });
  await ask("suspendUser", 204, { as: mod, names: { userId: bob.userId }, body: { note: "spam" } });
  await ask("unsuspendUser", 204, { as: mod, names: { userId: bob.userId }, body: { note: "a mistake" } });
  await ask("resolveReport", 200, { as: mod, names: { reportId }, body: { action: "none", note: "talked to" } });
  assert((await ask("listModerationActions", 200, { as: mod })).actions.length >= 3);

  await ask("exportAccount", "401 wrong_credentials", { as: alice, body: { password: "wrong horse" } });
  await ask("exportAccount", 200, { as: alice, body: { password } });
  await ask("eraseAccount", 204, { as: alice, body: { password, messages: "erase" } });
}
