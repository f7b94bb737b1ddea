"""Checks engram through redis-py as it comes (8: RESP3, 7: RESP2).

    python redis_py.py PORT

Prints a line per failed check and ends with `client|version|protocol|checks|failed`.
"""

import struct
import sys
import time

import redis

PORT = int(sys.argv[1])
CHECKS = [0, 0]


def check(name, passed):
    CHECKS[0] += 1
    if not passed:
        CHECKS[1] += 1
        print(f"FAIL redis-py {redis.__version__}: {name}")


def refused(name, call, words):
    try:
        reply = call()
    except redis.RedisError as error:
        check(f"{name}: {error}", words in str(error))
    else:
        check(f"{name}: answered with {reply!r}", False)


def key_value(r):
    r.flushall()
    check("set", r.set("k", b"\x00\xff\r\n") is True)
    check("get", r.get("k") == b"\x00\xff\r\n")
    check("get of nothing", r.get("nothing") is None)
    check("set nx", r.set("k", "other", nx=True) is None)
    check("set get", r.set("k", "new", get=True) == b"\x00\xff\r\n")
    check("incr", [r.incr("n"), r.incrby("n", 41), r.decr("n")] == [1, 42, 41])
    check("incrbyfloat", r.incrbyfloat("f", 1.5) == 1.5)
    check("append", r.append("a", "one") == 3 and r.append("a", "two") == 6)
    check("getrange", r.getrange("a", 1, 3) == b"net")
    check("setrange", r.setrange("a", 3, "TWO") == 6)
    check("mset", r.mset({"m1": "1", "m2": "2"}) is True)
    check("mget", r.mget("m1", "none", "m2") == [b"1", None, b"2"])
    check("delete", r.delete("m1", "m2", "none") == 2)
    check("exists", r.exists("k", "k", "none") == 2)
    check("type", r.type("k") in ("string", b"string"))
    check("rename", r.rename("a", "b") is True and r.exists("a") == 0)
    check("copy", bool(r.copy("b", "c")) and r.get("c") == b"oneTWO")
    check("getdel", r.getdel("c") == b"oneTWO" and r.get("c") is None)
    check("scan", {key for key in r.scan_iter(count=2)} == {b"k", b"n", b"f", b"b"})
    check("keys", set(r.keys("[kn]")) == {b"k", b"n"})
    check("dbsize", r.dbsize() == 4)
    check("unlink", r.unlink("f") == 1)
    refused("incr of a word", lambda: r.incr("k"), "not an integer")
    refused("unknown command", lambda: r.execute_command("NOSUCH", "a"), "unknown command")
    refused("arity", lambda: r.execute_command("GET"), "wrong number of arguments")


def expiry(r):
    r.set("e", "v", px=60)
    check("pttl", 0 < r.pttl("e") <= 60)
    time.sleep(0.1)
    check("dead", r.get("e") is None and r.ttl("e") == -2)
    r.set("e", "v", ex=100)
    check("ttl", 98 <= r.ttl("e") <= 100)
    check("expiretime", abs(r.expiretime("e") - time.time() - 100) < 3)
    check("persist", bool(r.persist("e")) and r.ttl("e") == -1)
    check("expire", bool(r.expire("e", 50)) and r.ttl("e") > 48)
    check("expire nx", not r.expire("e", 60, nx=True))
    check("getex", r.getex("e", persist=True) == b"v" and r.ttl("e") == -1)
    check("keepttl", r.set("e", "w", ex=90) and r.set("e", "x", keepttl=True) and r.ttl("e") > 88)
    check("expireat in the past", bool(r.expireat("e", 1)) and r.exists("e") == 0)


def transactions(r):
    with r.pipeline(transaction=True) as pipe:
        pipe.set("t", 1).incr("t").get("t")
        check("multi/exec", pipe.execute() == [True, 2, b"2"])
    with r.pipeline(transaction=True) as pipe:
        pipe.watch("t")
        pipe.multi()
        pipe.set("t", "mine")
        r.set("t", "theirs")
        try:
            pipe.execute()
            check("watch", False)
        except redis.WatchError:
            check("watch", r.get("t") == b"theirs")
    with r.pipeline(transaction=True) as pipe:
        pipe.watch("t")
        pipe.multi()
        pipe.set("t", "mine")
        pipe.execute()
        check("watch without a change", r.get("t") == b"mine")
    with r.pipeline(transaction=True) as pipe:
        pipe.set("t", "x").incr("t").set("t", "y")
        results = pipe.execute(raise_on_error=False)
        check("an error inside exec", isinstance(results[1], redis.ResponseError) and r.get("t") == b"y")
    check("transaction()", r.transaction(lambda pipe: (pipe.multi(), pipe.set("t", 7)), "t") == [True])


def pipelines(r):
    with r.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"p{number}", number)
            pipe.get(f"p{number}")
        check("pipeline of 10,000", pipe.execute() == [v for n in range(5000) for v in (True, str(n).encode())])
    large = bytes(range(256)) * 4096 * 8
    check("8 MiB there and back", r.set("large", large) and r.get("large") == large)


def blob(*values):
    return struct.pack(f"<{len(values)}f", *values)


def vectors(r):
    run = r.execute_command
    check("vnew", run("VNEW", "v", 3, "METRIC", "l2") in (b"OK", "OK"))
    check("vadd new", [run("VADD", "v", key, blob(i, 0, 0)) for i, key in enumerate((b"zero", b"one", b"t\r\no"))] == [1, 1, 1])
    check("vadd again", run("VADD", "v", "zero", blob(0, 0, 0)) == 0)
    reply = run("VSEARCH", "v", blob(0.9, 0, 0), 2)
    check(f"vsearch {reply}", reply[0::2] == [b"one", b"zero"] and abs(float(reply[1]) - 0.1) < 1e-6)
    reply = run("VSEARCH", "v", blob(2, 0, 0), 1, "EF", 50, "WITHVECTORS")
    check(f"vsearch with vectors {reply}", reply[0] == b"t\r\no" and blob(2, 0, 0) in reply)
    search = lambda *words: run("VSEARCH", "v", blob(0.9, 0, 0), 5, *words)
    names = lambda *words: search(*words)[0::2]
    check("vsearch prefix", names("PREFIX", "t\r") == [b"t\r\no"] and names("PREFIX", "x") == [])
    check("vsearch match", names("MATCH", "*[en]*") == [b"one", b"zero"])
    check("vsearch keys", names("KEYS", 3, "zero", "nobody", "t\r\no") == [b"zero", b"t\r\no"])
    check("vsearch within", names("WITHIN", 0.95) == [b"one", b"zero"] and search("WITHIN", 0.95, "PREFIX", "z", "EXACT")[0] == b"zero")
    refused("two predicates", lambda: search("PREFIX", "a", "MATCH", "b"), "")
    refused("too few keys", lambda: search("KEYS", 2, "zero"), "")
    refused("no distance", lambda: search("WITHIN", "near"), "")
    check("vdel", [run("VDEL", "v", "one"), run("VDEL", "v", "one")] == [1, 0])
    info = run("VINFO", "v")
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2]))
    info = {key.decode() if isinstance(key, bytes) else key: value for key, value in info.items()}
    check(f"vinfo {info}", info["vector-dim"] == 3 and info["size"] == 2)
    check("vinfo of nothing", run("VINFO", "nothing") is None)
    check("type", r.type("v") in ("vectorset", b"vectorset"))
    refused("wrong length", lambda: run("VADD", "v", "k", b"123"), "")
    refused("wrong type", lambda: r.get("v"), "WRONGTYPE")
    with r.pipeline(transaction=True) as pipe:
        pipe.execute_command("VADD", "v", "four", blob(4, 0, 0))
        pipe.execute_command("VSEARCH", "v", blob(4, 0, 0), 1)
        pipe.set("beside", "v")
        added, hits, _ = pipe.execute()
        check(f"vectors in exec {added} {hits}", added == 1 and hits[0] == b"four")
    check("vsave", run("VSAVE") in (b"OK", "OK"))
    check("del of an index", r.delete("v") == 1 and run("VINFO", "v") is None)


def connection(r):
    check("ping", r.ping() is True)
    check("echo", r.echo("\r\n$-1") == b"\r\n$-1")
    check("info", r.info()["role"] == "master" and r.info()["loading"] == 0)
    check("client id", r.client_id() > 0)
    check("client setname", r.client_setname("me") and r.client_getname() in ("me", b"me"))
    check("client list", any(entry["name"] == "me" for entry in r.client_list()))
    check("config get", isinstance(r.config_get("maxmemory"), dict))
    check("time", abs(r.time()[0] - time.time()) < 5)
    check("command count", r.command_count() > 50)
    check("memory usage", r.memory_usage("k") > 0)
    check("object encoding", r.object("encoding", "k") is not None)
    check("select 0", r.select(0))
    check("slowlog", isinstance(r.slowlog_get(), list))


def protocol(r):
    hello = r.execute_command("HELLO")
    hello = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2]))
    return hello[b"proto"] if b"proto" in hello else hello["proto"]


def main():
    r = redis.Redis(port=PORT, socket_timeout=30)
    for part in (key_value, expiry, transactions, pipelines, vectors, connection):
        try:
            part(r)
        except Exception as error:
            check(f"{part.__name__} stopped: {type(error).__name__}: {error}", False)
    print(f"redis-py|{redis.__version__}|RESP{protocol(r)}|{CHECKS[0]}|{CHECKS[1]}")


main()
