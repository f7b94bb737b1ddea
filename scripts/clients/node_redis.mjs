// Checks engram through node-redis as it comes: node node_redis.mjs PORT

import { createRequire } from "node:module";
import { createClient, RESP_TYPES } from "redis";
import { blob, Checks, fields, sleep, text } from "./checks.mjs";

const version = createRequire(import.meta.url)("redis/package.json").version;
const c = new Checks("node-redis", version);
const r = createClient({ socket: { host: "127.0.0.1", port: Number(process.argv[2]), reconnectStrategy: false } });
r.on("error", (error) => c.check(`connection: ${error.message}`, false));
await r.connect();
const raw = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

async function keyValue() {
  await r.flushAll();
  c.check("set", (await r.set("k", "värde")) === "OK");
  c.check("get", (await r.get("k")) === "värde");
  const bytes = Buffer.from([0, 255, 13, 10, 36]);
  await r.set("bytes", bytes);
  c.check("binary", bytes.equals(await raw.get("bytes")));
  c.check("get of nothing", (await r.get("nothing")) === null);
  c.check("incr", (await r.incr("n")) === 1 && (await r.incrBy("n", 41)) === 42);
  c.check("append", (await r.append("a", "one")) === 3 && (await r.strLen("a")) === 3);
  c.check("mset", (await r.mSet({ m1: "1", m2: "2" })) === "OK");
  c.check("mget", JSON.stringify(await r.mGet(["m1", "none", "m2"])) === '["1",null,"2"]');
  c.check("del", (await r.del(["m1", "m2", "none"])) === 2);
  c.check("exists", (await r.exists("k")) === 1);
  c.check("type", (await r.type("k")) === "string");
  const found = [];
  for await (const keys of r.scanIterator({ COUNT: 2 })) found.push(...[keys].flat());
  c.check(`scan ${found}`, found.sort().join() === "a,bytes,k,n");
  await c.refused("incr of a word", () => r.incr("k"), "not an integer");
  await c.refused("unknown command", () => r.sendCommand(["NOSUCH"]), "unknown command");
}

async function expiry() {
  await r.set("e", "v", { PX: 60 });
  const left = await r.pTTL("e");
  c.check("pttl", left > 0 && left <= 60);
  await sleep(100);
  c.check("dead", (await r.get("e")) === null && (await r.ttl("e")) === -2);
  await r.set("e", "v", { EX: 100 });
  c.check("ttl", (await r.ttl("e")) > 97);
  c.check("persist", Number(await r.persist("e")) === 1 && (await r.ttl("e")) === -1);
  c.check("expire", Number(await r.expire("e", 50)) === 1 && (await r.ttl("e")) > 47);
}

async function transactions() {
  const answers = await r.multi().set("t", "1").incr("t").get("t").exec();
  c.check(`multi/exec ${answers}`, answers.join() === "OK,2,2");
  const other = await r.duplicate().connect();
  await other.watch("t");
  await r.set("t", "theirs");
  try {
    await other.multi().set("t", "mine").exec();
    c.check("watch", false);
  } catch (error) {
    c.check(`watch: ${error.name}`, error.constructor.name === "WatchError" && (await r.get("t")) === "theirs");
  }
  await other.watch("t");
  c.check("watch without a change", (await other.multi().set("t", "mine").exec()).join() === "OK");
  other.destroy();
}

async function pipelines() {
  const calls = [];
  for (let i = 0; i < 2000; i++) calls.push(r.set(`p${i}`, String(i)), r.get(`p${i}`));
  const answers = await Promise.all(calls);
  c.check("4,000 at once", answers.every((answer, at) => answer === (at % 2 ? String((at - 1) / 2) : "OK")));
  const large = Buffer.alloc(8 << 20, "large ");
  await r.set("large", large);
  c.check("8 MiB there and back", large.equals(await raw.get("large")));
}

async function vectors() {
  const run = (...words) => raw.sendCommand(words.map((word) => (Buffer.isBuffer(word) ? word : String(word))));
  c.check("vnew", text(await run("VNEW", "v", 3, "METRIC", "l2")) === "OK");
  for (const [i, key] of ["zero", "one", "two"].entries()) c.check("vadd", (await run("VADD", "v", key, blob(i, 0, 0))) === 1);
  c.check("vadd again", (await run("VADD", "v", "zero", blob(0, 0, 0))) === 0);
  let hits = await run("VSEARCH", "v", blob(0.9, 0, 0), 2);
  c.check(`vsearch ${hits}`, text(hits[0]) === "one" && text(hits[2]) === "zero" && Math.abs(Number(text(hits[1])) - 0.1) < 1e-6);
  hits = await run("VSEARCH", "v", blob(2, 0, 0), 1, "EF", 50, "WITHVECTORS");
  c.check(`vsearch with vectors ${hits}`, text(hits[0]) === "two" && hits.some((x) => Buffer.isBuffer(x) && x.equals(blob(2, 0, 0))));
  hits = await run("VSEARCH", "v", blob(0.9, 0, 0), 5, "PREFIX", "z");
  c.check(`vsearch prefix ${hits}`, hits.length === 2 && text(hits[0]) === "zero");
  hits = await run("VSEARCH", "v", blob(0.9, 0, 0), 5, "WITHIN", "0.95", "KEYS", 2, "two", "one");
  c.check(`vsearch within keys ${hits}`, hits.length === 2 && text(hits[0]) === "one");
  c.check("vdel", (await run("VDEL", "v", "one")) === 1 && (await run("VDEL", "v", "one")) === 0);
  const info = fields(await run("VINFO", "v"));
  c.check(`vinfo ${JSON.stringify(info)}`, Number(info["vector-dim"]) === 3 && Number(info.size) === 2);
  c.check("vinfo of nothing", (await run("VINFO", "nothing")) === null);
  c.check("type", (await r.type("v")) === "vectorset");
  await c.refused("wrong length", () => run("VADD", "v", "k", Buffer.from("123")), "");
  await c.refused("wrong type", () => r.get("v"), "WRONGTYPE");
  c.check("vsave", text(await run("VSAVE")) === "OK");
  c.check("del of an index", (await r.del("v")) === 1);
}

async function connection() {
  c.check("ping", (await r.ping()) === "PONG");
  c.check("echo", (await r.echo("\r\n$-1")) === "\r\n$-1");
  c.check("info", (await r.info("server")).includes("redis_version:"));
  c.check("client id", (await r.clientId()) > 0);
  c.check("client list", (await r.clientList()).length >= 1);
  c.check("dbsize", (await r.dbSize()) > 0);
  c.check("config get", typeof (await r.configGet("maxmemory")) === "object");
}

await c.parts(keyValue, expiry, transactions, pipelines, vectors, connection);
c.close(fields(await r.sendCommand(["HELLO"])).proto);
r.destroy();
