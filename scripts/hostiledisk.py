"""The last case of hostile.py: the disk fills up while clients write.

Errors must come, reads must go on, and after a restart everything that was acknowledged is there.
"""

import os
import subprocess
import time

from engramlib import ReplyError, Scratch, Server, pack

NAME = "the disk is full"
SIZE = 8 << 20


def run(rig):
    with Scratch("engram-disk-") as scratch:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", scratch.path], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            print(f"SKIPPED {NAME}: may not mount a small disk here ({mounted.stderr.strip()})")
            return
        begun, wrong, note, memory = time.monotonic(), None, "", (0.0, 0.0)
        try:
            note, memory = fill(scratch.path)
        except (AssertionError, OSError, ReplyError, RuntimeError) as error:
            wrong = f"{type(error).__name__}: {error}"
        finally:
            for server in list(Server.alive):
                server.kill()
            subprocess.run(["umount", "-l", scratch.path], check=False)
        rig.longest.value = 0.0
        rig.report(NAME, time.monotonic() - begun, *memory, wrong, note)


def fill(path):
    server = Server(os.path.join(path, "data"), args=["--fsync", "always"]).start()
    acknowledged, refused = {}, 0
    with server.client() as client:
        client.call("VNEW", "v", 256, "METRIC", "l2")
        for number in range(4 * SIZE // 4096):
            kind = "v" if number % 4 == 0 else "k"
            key, data = f"{kind}{number}", pack([float(number)] * 256) if kind == "v" else os.urandom(1500)
            words = ("VADD", "v", key, data) if kind == "v" else ("SET", key, data)
            reply = client.pipeline([words])[0]
            if not isinstance(reply, ReplyError):
                assert not refused, f"{key} was acknowledged after a write had failed"
                acknowledged[key] = data
            else:
                refused += 1
                first = str(reply) if refused == 1 else first
                if refused == 50:
                    break
        assert refused == 50, "the disk did not fill up"
        missing = verify(client, acknowledged)
        assert not missing, f"reads fail on a full disk: {missing[:3]}"
        assert isinstance(client.pipeline([("VSAVE",)])[0], (str, ReplyError))
        assert client.call("PING") == "PONG"
    memory = server.memory()
    server.kill()
    outcome = restart(server.directory, acknowledged, "while still full", may_refuse=True)
    subprocess.run(["mount", "-o", "remount,size=64m", path], check=True)
    restart(server.directory, acknowledged, "with room again", may_refuse=False)
    return f"{len(acknowledged)} acknowledged, all there; a start on the full disk {outcome}; error: {first[:70]}", memory


def restart(directory, acknowledged, when, may_refuse):
    server = Server(directory, args=["--fsync", "always"], ready_within=30)
    try:
        server.start()
    except RuntimeError as error:
        assert may_refuse, f"no start {when}: {error}"
        return "is refused with a message"
    with server.client() as client:
        missing = verify(client, acknowledged)
        assert not missing, f"{len(missing)} acknowledged writes lost {when}: {missing[:5]}"
        if not may_refuse:
            assert client.call("SET", "after", "room") == "OK"
    server.kill()
    return "serves"


def verify(client, acknowledged):
    """The acknowledged keys that are not there as they were written."""
    missing = []
    for key, data in acknowledged.items():
        if key.startswith("k"):
            there = client.call("GET", key) == data
        else:
            reply = client.call("VSEARCH", "v", data, 1, "EXACT", "WITHVECTORS")
            there = reply[0] == key.encode() and reply[2] == data
        if not there:
            missing.append(key)
    return missing
