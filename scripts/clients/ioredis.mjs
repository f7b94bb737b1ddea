// Checks engram through ioredis as it comes: node ioredis.mjs PORT

import { createRequire } from "node:module";
import { Redis } from "ioredis";
import { blob, Checks, fields, sleep, text } from "./checks.mjs";

const version = createRequire(import.meta.url)("ioredis/package.json").version;
const c = new Checks("ioredis", version);
const r = new Redis({ port: Number(process.argv[2]), host: "127.0.0.1", retryStrategy: null });
r.on("error", (error) => c.check(`connection: ${error.message}`, false));

async function keyValue() {
  await r.flushall();
  c.check("set", (await r.set("k", "värde")) === "OK");
  c.check("get", (await r.get("k")) === "värde");
  const bytes = Buffer.from([0, 255, 13, 10, 36]);
  await r.set("bytes", bytes);
  c.check("binary", bytes.equals(await r.getBuffer("bytes")));
  c.check("get of nothing", (await r.get("nothing")) === null);
  c.check("incr", (await r.incr("n")) === 1 && (await r.incrby("n", 41)) === 42);
  c.check("append", (await r.append("a", "one")) === 3 && (await r.strlen("a")) === 3);
  c.check("mset", (await r.mset({ m1: "1", m2: "2" })) === "OK");
  c.check("mget", JSON.stringify(await r.mget("m1", "none", "m2")) === '["1",null,"2"]');
  c.check("del", (await r.del("m1", "m2", "none")) === 2);
  c.check("type", (await r.type("k")) === "string");
  const found = [];
  for await (const keys of r.scanStream({ count: 2 })) found.push(...keys);
  c.check(`scan ${found}`, found.sort().join() === "a,bytes,k,n");
  await c.refused("incr of a word", () => r.incr("k"), "not an integer");
  await c.refused("unknown command", () => r.call("NOSUCH"), "unknown command");
}

async function expiry() {
  await r.set("e", "v", "PX", 60);
  const left = await r.pttl("e");
  c.check("pttl", left > 0 && left <= 60);
  await sleep(100);
  c.check("dead", (await r.get("e")) === null && (await r.ttl("e")) === -2);
  await r.setex("e", 100, "v");
  c.check("ttl", (await r.ttl("e")) > 97);
  c.check("persist", (await r.persist("e")) === 1 && (await r.ttl("e")) === -1);
  c.check("expire", (await r.expire("e", 50)) === 1 && (await r.ttl("e")) > 47);
}

async function transactions() {
  const answers = await r.multi().set("t", "1").incr("t").get("t").exec();
  c.check(`multi/exec ${answers}`, answers.map(([, answer]) => answer).join() === "OK,2,2");
  const other = r.duplicate();
  await other.watch("t");
  await r.set("t", "theirs");
  c.check("watch", (await other.multi().set("t", "mine").exec()) === null && (await r.get("t")) === "theirs");
  await other.watch("t");
  c.check("watch without a change", (await other.multi().set("t", "mine").exec())[0][1] === "OK");
  other.disconnect();
}

async function pipelines() {
  const pipe = r.pipeline();
  for (let i = 0; i < 2000; i++) pipe.set(`p${i}`, i).get(`p${i}`);
  const answers = await pipe.exec();
  c.check("pipeline of 4,000", answers.every(([error, answer], at) => !error && answer === (at % 2 ? String((at - 1) / 2) : "OK")));
  const large = Buffer.alloc(8 << 20, "large ");
  await r.set("large", large);
  c.check("8 MiB there and back", large.equals(await r.getBuffer("large")));
}

async function vectors() {
  const run = (...words) => r.callBuffer(...words);
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
  c.check("client id", (await r.client("ID")) > 0);
  c.check("client list", (await r.client("LIST")).includes("addr="));
  c.check("dbsize", (await r.dbsize()) > 0);
  c.check("config get", (await r.config("GET", "maxmemory")).length === 2);
}

await c.parts(keyValue, expiry, transactions, pipelines, vectors, connection);
c.close(fields(await r.call("HELLO")).proto);
r.disconnect();
