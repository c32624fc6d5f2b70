// SPDX-License-Identifier: Apache-2.0

// A second implementation of what 60-federation.md says of requests and keys, written from its prose on Node's own cryptography. It
// takes and refuses every vector of vectors/federation/ as the vector says, and signs the good ones again byte for byte.
import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../vectors/federation/${name}.json`, import.meta.url), "utf8"));
const der = (prefix, raw) => Buffer.concat([Buffer.from(prefix, "hex"), raw]);
const privateKey = (seed) => createPrivateKey({ key: der("302e020100300506032b657004220420", Buffer.from(seed, "hex")), format: "der", type: "pkcs8" });
const publicKey = (raw) => createPublicKey({ key: der("302a300506032b6570032100", raw), format: "der", type: "spki" });
const LIST = "(request-target) host (created) (expires) digest x-parley-origin x-parley-destination x-parley-nonce";
const quote = (text) => text.replace(/[()]/g, "\\$&");
const SIGNATURE = new RegExp(`^keyId="([a-z0-9.:-]{1,255})/(ed25519:[A-Za-z0-9_]{1,64})",algorithm="hs2019",created=([1-9][0-9]{9}),expires=([1-9][0-9]{9}),headers="${quote(LIST)}",signature="([A-Za-z0-9+/]{85}[AQgw]==)"$`);
const digest = (body) => "SHA-256=" + createHash("sha256").update(body).digest("base64");

function signingString(t, h, created, expires) {
  return [`(request-target): ${t.method.toLowerCase()} ${t.target}`, `host: ${t.host}`, `(created): ${created}`, `(expires): ${expires}`, `digest: ${h.digest}`,
    `x-parley-origin: ${h["x-parley-origin"]}`, `x-parley-destination: ${h["x-parley-destination"]}`, `x-parley-nonce: ${h["x-parley-nonce"]}`].join("\n");
}

/** Why a request is refused, "" if it is taken. */
function judge(t, file) {
  const h = {};
  for (const [name, value] of t.headers) {
    if (name.toLowerCase() in h) return `${name} twice`;
    h[name.toLowerCase()] = value;
  }
  for (const name of ["authorization", "signature-input", "content-encoding"]) if (name in h) return name;
  if (t.host !== file.receiver) return "host";
  const [path, query, more] = t.target.split("?");
  if (!["GET", "POST", "PUT", "DELETE"].includes(t.method) || more !== undefined || query === "" || !/^[A-Za-z0-9._~=&-]*$/.test(query ?? "")
    || !/^(\/[A-Za-z0-9._~-]+)+$/.test(path) || path.split("/").some((s) => s === "." || s === "..")) return "target";
  const m = SIGNATURE.exec(h.signature ?? "");
  if (!m) return "form";
  const [, origin, keyId, created, expires, signature] = m;
  if (+created > t.now + 30 || +created < t.now - 300 || +expires <= +created || +expires > +created + 300 || +expires < t.now) return "time";
  if (origin !== h["x-parley-origin"] || h["x-parley-destination"] !== file.receiver || !/^[A-Za-z0-9_-]{21}[AQgw]$/.test(h["x-parley-nonce"] ?? "")) return "names";
  if (h.digest !== digest(t.body)) return "digest";
  if (origin !== file.key.server || keyId !== file.key.keyId) return "key";
  const good = verify(null, Buffer.from(signingString(t, h, created, expires)), publicKey(Buffer.from(file.key.publicKey, "hex")), Buffer.from(signature, "base64"));
  return good ? "" : "signature";
}

const faults = [];
const counts = { requests: 0, keys: 0, signed: 0 };

const requests = vectors("requests");
for (const t of requests.tests) {
  counts.requests++;
  const why = judge(t, requests);
  if ((why === "") !== (t.result === "valid")) faults.push(`${t.id}: ${why || "taken"}, want ${t.result}`);
  if (why !== "") continue;
  const h = Object.fromEntries(t.headers.map(([name, value]) => [name.toLowerCase(), value]));
  const [, , , created, expires] = SIGNATURE.exec(h.signature);
  const text = signingString(t, h, created, expires);
  const again = `keyId="${requests.key.server}/${requests.key.keyId}",algorithm="hs2019",created=${created},expires=${expires},headers="${LIST}",signature="${sign(null, Buffer.from(text), privateKey(requests.key.privateKey)).toString("base64")}"`;
  if (text !== t.signingString || again !== h.signature) faults.push(`${t.id}: signed again it is another one`);
  counts.signed++;
}

/** Canonical: keys in ascending order, no white space. The objects here have only ASCII strings, integers and booleans. */
function canonical(v) {
  if (Array.isArray(v)) return `[${v.map(canonical).join(",")}]`;
  if (v === null || typeof v !== "object") return JSON.stringify(v);
  return `{${Object.keys(v).sort().map((k) => `${JSON.stringify(k)}:${canonical(v[k])}`).join(",")}}`;
}

const members = (v, ...names) => canonical(Object.keys(v).sort()) === canonical(names.sort());
// The y coordinates of points of small order (RFC 7748 and 8032 arithmetic), with either sign; encodings beyond the field are refused before.
const SMALL = ["0100000000000000000000000000000000000000000000000000000000000000", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"];

function strongKey(text) {
  const raw = Buffer.from(text, "base64url");
  if (raw.length !== 32 || raw.toString("base64url") !== text) return false;
  const y = Buffer.from(raw);
  y[31] &= 0x7f;
  return !SMALL.includes(y.toString("hex"));
}

function judgeKeys(input, asked) {
  let d;
  try { d = JSON.parse(input); } catch { return "JSON"; }
  if (canonical(d) !== input) return "spelling";
  if (!members(d, "keys", "oldKeys", "serverName", "signatures", "time", "v") || d.v !== 1) return "members";
  if (!d.keys.every((k) => members(k, "id", "key", "validFrom", "validUntil")) || !d.oldKeys.every((k) => members(k, "expiredAt", "id", "isRevoked", "key", "validFrom"))) return "members";
  if (d.serverName !== asked) return "name";
  const all = [...d.keys, ...d.oldKeys];
  if (new Set(all.map((k) => k.id)).size !== all.length || !all.every((k) => /^ed25519:[A-Za-z0-9_]{1,64}$/.test(k.id) && strongKey(k.key))) return "keys";
  const { signatures, ...rest } = d;
  const message = Buffer.from(`parley/v1/server_keys\n${canonical(rest)}`);
  let at = -1;
  for (const s of signatures) {
    const i = d.keys.findIndex((k) => k.id === s.keyId);
    if (i <= at || !verify(null, message, publicKey(Buffer.from(d.keys[i].key, "base64url")), Buffer.from(s.signature, "base64url"))) return "signature";
    at = i;
  }
  return at < 0 ? "unsigned" : "";
}

const keys = vectors("keys");
for (const t of keys.tests) {
  counts.keys++;
  const why = judgeKeys(t.input, keys.server);
  if ((why === "") !== (t.result === "valid")) faults.push(`${t.id}: ${why || "taken"}, want ${t.result}`);
  if (why !== "") continue;
  const { signatures, ...rest } = JSON.parse(t.input);
  const message = Buffer.from(`parley/v1/server_keys\n${canonical(rest)}`);
  const again = signatures.map(({ keyId }) => ({ keyId, signature: sign(null, message, privateKey(keys.privateKeys[keyId])).toString("base64url") }));
  if (canonical({ ...rest, signatures: again }) !== t.input) faults.push(`${t.id}: signed again it is another one`);
  counts.signed++;
}

for (const f of faults) console.error(f);
console.log(`Federation: ${counts.requests} requests and ${counts.keys} key documents judged, ${counts.signed} signed again, ${faults.length} faults`);
if (faults.length > 0) process.exitCode = 1;
