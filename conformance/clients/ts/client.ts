// SPDX-License-Identifier: Apache-2.0

// Two users of a Parley server talk, one of them goes away and comes back, and nothing is lost, repeated or out of
// order. Built on nothing but the published specification. Usage: node build/client.js <server> [<server of the socket>]
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import type { components } from "./build/api.js";
import { call } from "./rest.js";

type Schema = components["schemas"];
type Receipt = Pick<Schema["Event"], "conversationId" | "messageId" | "seq"> & { userId: string; status: "delivered" | "read" };
type Frames = {
  sync: Schema["Sync"]; message_received: Schema["Event"]; conversation_updated: Schema["Event"];
  message_ack: Schema["Ack"]; delivery_ack: Receipt; resync: { code: string }; error: { code: string; message: string };
};
type Frame = { [T in keyof Frames]: { type: T; data: Frames[T] } }[keyof Frames];

const rest = process.argv[2] ?? "http://localhost:8080";
const socketURL = new URL("/api/v1/ws", process.argv[3] ?? rest).href.replace(/^http/, "ws");
const run = randomBytes(4).toString("hex");
const messages = "/api/v1/conversations/{conversationId}/messages";
let gaps = 0;

function history(token: string, conversationId: string, query: { afterSeq: number; beforeSeq?: number; limit: number }) {
  return call(rest, "get", messages, { token, path: { conversationId }, query });
}

/** One socket of one device; what it learns outlives it in a Device. */
class Socket {
  last = -1; // The seq of the newest event that came here; there is but one conversation.
  private frames: Frame[] = [];
  private wake = () => {};
  private constructor(private ws: WebSocket) {
    ws.on("message", (raw) => { this.frames.push(JSON.parse(String(raw)) as Frame); this.wake(); });
  }
  static async open(token: string): Promise<Socket> {
    const ws = new WebSocket(socketURL, ["parley.v1"], { headers: { authorization: `Bearer ${token}` } });
    const socket = new Socket(ws);
    await new Promise((resolve, reject) => { ws.once("open", resolve); ws.once("error", reject); });
    return socket;
  }
  send(type: string, data: object) { this.ws.send(JSON.stringify({ type, data })); }
  async close() { await new Promise((done) => { this.ws.once("close", done); this.ws.close(1000); }); }
  /** The next frame, whatever it is. */
  async next(): Promise<Frame> {
    if (this.frames.length === 0) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("no frame for 10 seconds")), 10_000);
        this.wake = () => { clearTimeout(timer); resolve(); };
      });
    }
    return this.frames.shift()!;
  }
}

/** What a device keeps: its cursor and, without repeats, the events of its conversations. */
class Device {
  cursor = "";
  events = new Map<number, Schema["Event"]>();
  constructor(readonly name: string, readonly session: Schema["Session"]) {}
  static async register(name: string): Promise<Device> {
    const body = { username: `${name}-${run}`, password: `${name} ${run}`, deviceName: "ts" };
    return new Device(name, await call(rest, "post", "/api/v1/register", { body }));
  }
  async connect(): Promise<Socket> {
    const socket = await Socket.open(this.session.accessToken);
    socket.send("sync", this.cursor ? { cursor: this.cursor } : {});
    while ((await this.until(socket, "sync")).hasMore);
    return socket;
  }
  /** Takes frames until one of the type came, and returns its data. */
  async until<T extends keyof Frames>(socket: Socket, type: T): Promise<Frames[T]> {
    for (;;) {
      const frame = await socket.next();
      if (frame.type === "error" || frame.type === "resync") throw new Error(`${this.name} got ${JSON.stringify(frame)}`);
      if (frame.type === "sync") await this.keep(socket, frame.data);
      if (frame.type === "message_received") this.take(socket, frame.data);
      if (frame.type === type) return frame.data as Frames[T];
    }
  }
  private take(socket: Socket, event: Schema["Event"]) {
    assert(event.seq > socket.last, `seq ${event.seq} came after ${socket.last} on one connection`);
    this.events.set(event.seq, event);
    socket.last = event.seq;
  }
  /** Keeps a sync. Where the server left out what is old, the history has it: this client wants all of it at once. */
  private async keep(socket: Socket, sync: Schema["Sync"]) {
    sync.messages.forEach((e) => this.take(socket, e));
    for (const { gap, conversationId } of sync.conversations) {
      if (!gap) continue;
      gaps++;
      const page = await history(this.session.accessToken, conversationId, { ...gap, limit: 200 });
      assert.equal(page.hasMore, false, "the gap is smaller than a page");
      page.messages.forEach((e) => this.events.set(e.seq, e));
    }
    this.cursor = sync.cursor;
  }
  log() { return [...this.events.values()].sort((a, b) => a.seq - b.seq); }
}

const [alice, bob] = [await Device.register("alice"), await Device.register("bob")];
const token = alice.session.accessToken;
const direct: Schema["CreateConversation"] = { type: "direct", members: [bob.session.userId] };
const { conversationId } = await call(rest, "post", "/api/v1/conversations", { token, body: direct });
const [hers, his] = [await alice.connect(), await bob.connect()];

const said: string[] = [];
async function say(content: string) {
  said.push(content);
  hers.send("send_message", { conversationId, tempId: `${run}-${said.length}`, contentType: "text", content } satisfies Schema["Send"]);
  const ack = await alice.until(hers, "message_ack");
  assert.deepEqual([ack.tempId, ack.conversationId, ack.status], [`${run}-${said.length}`, conversationId, "sent"]);
  return ack;
}

for (const content of ["one", "two", "three"]) {
  const ack = await say(content);
  const live = await bob.until(his, "message_received");
  assert.deepEqual([live.content, live.seq, live.messageId, live.senderId], [content, ack.seq, ack.messageId, alice.session.userId]);
  his.send("delivery_ack", { conversationId, messageId: live.messageId, status: "delivered" });
  const receipt = await alice.until(hers, "delivery_ack");
  assert.deepEqual([receipt.userId, receipt.seq, receipt.status], [bob.session.userId, ack.seq, "delivered"]);
}

await his.close();
for (let i = 1; i <= 20; i++) await say(`while bob was away ${i}`);
said.push("by post");
await call(rest, "post", messages, { token, path: { conversationId }, body: { tempId: `${run}-post`, contentType: "text", content: "by post" } });

const back = await bob.connect();
await say("welcome back");
await bob.until(back, "message_received");
const log = bob.log();
assert.deepEqual(log.map((e) => e.seq), log.map((_, i) => i), "every seq from 0 on");
assert.deepEqual(log.filter((e) => e.type === "message").map((e) => e.content), said, "what bob has is what alice said");
const page = await history(token, conversationId, { afterSeq: -1, limit: 200 });
assert.deepEqual(page.messages.map((e) => [e.seq, e.messageId]), log.map((e) => [e.seq, e.messageId]), "the history is the same");
await Promise.all([hers.close(), back.close()]);
console.log(`${said.length} messages, ${log.length} entries, ${gaps} gaps filled: live, after the reconnect and in the history the same`);
