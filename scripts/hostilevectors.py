"""The vector cases of hostile.py: everything a blob, a dimension, a k or an EF should not be."""

import random
import struct
import time

from engramlib import ReplyError, encode, pack

NAN, INF = float("nan"), float("inf")


def _refused(client, *words):
    reply = client.pipeline([words])[0]
    shown = [word if len(str(word)) < 40 else f"{len(word)} bytes" for word in words]
    assert isinstance(reply, ReplyError), f"{shown} is answered with {str(reply)[:80]}"
    assert str(reply).startswith(("ERR", "OOM", "WRONGTYPE")), f"{shown}: {reply}"


def _answered(client, *words):
    """An array or an error, but an answer."""
    reply = client.pipeline([words])[0]
    assert isinstance(reply, (list, ReplyError)), f"{words}: {reply!r}"
    return reply


def vectors(rig):
    with rig.client() as client:
        client.call("DEL", "hv")
        for dim in (0, -1, 65_537, 10**9, 2**32 + 4, 2**63, 2**64, 2**64 + 4, "abc", "", "4.0", "+4", " 4"):
            _refused(client, "VNEW", "hv", dim)
        for metric in ("", "cosinus", "L3", "\0", "x" * 100_000):
            _refused(client, "VNEW", "hv", 4, "METRIC", metric)
        for m in (0, 1_000_000, 2**32 + 16, 2**64, -1, "abc"):
            _refused(client, "VNEW", "hv", 4, "M", m)
        for ef in (0, 10**9, 10**18, 2**64, -1, "abc"):
            _refused(client, "VNEW", "hv", 4, "EF_CONSTRUCTION", ef)
        _refused(client, "VNEW", "hv", 4, "METRIC")
        _refused(client, "VNEW", "hv", 4, "NONSENSE", 1)
        client.call("VNEW", "hv", 4, "METRIC", "cosine")
        _refused(client, "VNEW", "hv", 4)
        _blobs(client)
        _counts(client)
        assert client.call("VSEARCH", "hv", pack([1, 0, 0, 0]), 1)[0] == b"good", "the index is not what it was"
        client.call("DEL", "hv")


def _blobs(client):
    good = pack([1, 2, 3, 4])
    for size in (0, 1, 3, 4, 5, 12, 15, 17, 20, 32, 10**6):
        blob = (good * (size // 16 + 1))[:size]
        _refused(client, "VADD", "hv", "e", blob)
        _refused(client, "VSEARCH", "hv", blob, 1)
    for bad in (NAN, -NAN, INF, -INF):
        for place in range(4):
            values = [1.0, 2.0, 3.0, 4.0]
            values[place] = bad
            _refused(client, "VADD", "hv", "e", pack(values))
            _refused(client, "VSEARCH", "hv", pack(values), 1)
    signalling = struct.pack("<I", 0x7F800001) + pack([1, 2, 3])
    _refused(client, "VADD", "hv", "e", signalling)
    for huge in (3.4e38, -3.4e38, 2e19):
        _refused(client, "VADD", "hv", "e", pack([huge] * 4))
    assert client.call("VADD", "hv", "good", pack([1, 0.1, 0, 0])) == 1
    assert client.call("VADD", "hv", "zero", pack([0, 0, 0, 0])) == 1
    assert client.call("VADD", "hv", "tiny", pack([0, 1e-45, 0, 0])) == 1
    assert client.call("VADD", "hv", "", pack([0, 0, 1, 0])) == 1
    reply = client.call("VSEARCH", "hv", pack([0, 0, 0, 0]), 10)
    assert len(reply) == 8 and all(float(d) == 1.0 for d in reply[1::2]), f"the zero vector's distances: {reply}"


def _counts(client):
    query = pack([1, 0, 0, 0])
    for k in (0, -1, 2**64, 2**64 + 3, "abc", "", "1.5", "+1", " 1"):
        _refused(client, "VSEARCH", "hv", query, k)
    assert len(client.call("VSEARCH", "hv", query, 5)) == 8, "k larger than the index"
    for k in (10**9, 10**18, 2**63):
        reply = _answered(client, "VSEARCH", "hv", query, k)
        assert isinstance(reply, ReplyError) or len(reply) == 8
    for ef in (0, -1, 10**18, 2**64, "abc", ""):
        _refused(client, "VSEARCH", "hv", query, 1, "EF", ef)
    _answered(client, "VSEARCH", "hv", query, 1, "EF", 10**9)
    _refused(client, "VSEARCH", "hv", query, 1, "EF")
    _refused(client, "VSEARCH", "hv", query, 1, "NONSENSE")
    for words in (("VADD", "hv"), ("VADD", "hv", "e"), ("VSEARCH", "hv", query), ("VDEL", "hv"), ("VNEW", "hv"), ("VINFO",)):
        _refused(client, *words)


def extremes(rig):
    widest = 65_536
    with rig.client(timeout=60) as client:
        for name in ("hw", "large-key-index", "string"):
            client.call("DEL", name)
        client.call("VNEW", "hw", widest, "METRIC", "l2")
        for row in range(20):
            assert client.call("VADD", "hw", row, pack([float(row)] * widest)) == 1
        assert client.call("VSEARCH", "hw", pack([7.1] * widest), 1)[0] == b"7"
        client.call("VNEW", "large-key-index", 2)
        element = b"k" * (10 * 10**6)
        assert client.call("VADD", "large-key-index", element, pack([1, 2])) == 1
        assert client.call("VSEARCH", "large-key-index", pack([1, 2]), 1)[0] == element
        assert client.call("VDEL", "large-key-index", element) == 1
        assert client.call("DEL", "hw", "large-key-index") == 2
        client.call("SET", "string", "not an index")
        for words in (("VADD", "string", "e", pack([1])), ("VSEARCH", "string", pack([1]), 1), ("VDEL", "string", "e")):
            _refused(client, *words)
        for words in (("VADD", "nowhere", "e", pack([1])), ("VSEARCH", "nowhere", pack([1]), 1)):
            client.pipeline([words])
        assert client.call("EXISTS", "nowhere") == 0, "a refused command left an index behind"
        client.call("DEL", "string")


def _fill(client, index, rows):
    rng = random.Random(rows)
    client.call("DEL", index)
    client.call("VNEW", index, 8, "METRIC", "l2", "M", 8, "EF_CONSTRUCTION", 40)
    replies = client.pipeline([("VADD", index, row, pack([rng.random() for _ in range(8)])) for row in range(rows)])
    assert replies == [1] * rows, "loading failed"


def everything(rig):
    """Searches that want every row at the greatest width, from several clients at once, one of which never reads."""
    rows, asked = 10_000, 8
    with rig.client() as client:
        _fill(client, "he", rows)
    sleeper = rig.client()
    sleeper.send(encode("VSEARCH", "he", pack([0.5] * 8), 10**9, "EF", 10**6, "WITHVECTORS") * 100)
    clients = [rig.client(timeout=120) for _ in range(asked)]
    for client in clients:
        client.send(encode("VSEARCH", "he", pack([0.5] * 8), 10**9, "EF", 10**6) * 3)
    for client in clients:
        for _ in range(3):
            reply = client.read()
            assert isinstance(reply, list) and len(set(reply[::2])) > rows * 0.99, f"{len(reply) // 2} of {rows} rows"
        client.close()
    sleeper.close()


def leavers(rig):
    """Clients that ask for costly searches and leave; the next one is served soon."""
    with rig.client() as client:
        _fill(client, "he", 10_000)
    for _ in range(100):
        with rig.client() as client:
            client.send(encode("VSEARCH", "he", pack([0.1] * 8), 5000, "EF", 10_000) * 20)
    begun = time.monotonic()
    with rig.client(timeout=60) as client:
        assert len(client.call("VSEARCH", "he", pack([0.1] * 8), 3)) == 6
        seconds = time.monotonic() - begun
        assert client.call("DEL", "he") == 1
    assert seconds < 20, f"a search had to wait {seconds:.1f} s for those of clients that left"
    return f"the next search took {seconds:.2f} s"
