"""How long a start takes after kill -9, from the log alone and from a snapshot, beside the time to just read the files.

    python3 scripts/restart.py [--base FILE.f32 --dim N] [--rounds 3]

Standard library only; without a file the demo's sample is loaded. Cold figures need root, to empty the page cache.
"""

import argparse
import os
import sys
import time

from engramlib import Rows, Scratch, Server, die_cleanly, vinfo
from loads import load

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")
MIB = 1 << 20


def files(directory):
    """(name, bytes) of each file, the largest first."""
    found = [(entry.name, entry.stat().st_size) for entry in os.scandir(directory) if entry.is_file()]
    return sorted(found, key=lambda file: -file[1])


def read_all(directory):
    """Seconds to read every file once, a megabyte at a time."""
    begun = time.monotonic()
    buffer = bytearray(MIB)
    for name, _ in files(directory):
        with open(os.path.join(directory, name), "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.monotonic() - begun


def empty_page_cache():
    """True if what was read before is now cold."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as drop:
            drop.write("3")
        return True
    except OSError:
        return False


def crash_and_start(server, expected, index):
    """Kills the server, starts it again and makes sure that everything is there; returns the new one."""
    server.kill()
    server = Server(server.directory, args=server.args, ready_within=900).start()
    with server.client() as client:
        info = vinfo(client, index)
        if info is None or int(info["size"]) != expected:
            sys.exit(f"FAILED: {expected} vectors were there, now {info and info['size']}")
    return server


def measure(name, server, expected, rounds):
    for state in ("warm", "cold"):
        starts, reads = [], []
        for _ in range(rounds):
            server.kill()
            if state == "cold" and not empty_page_cache():
                print(f"{name:<14} cold: skipped, may not empty the page cache here")
                return server
            reads.append(read_all(server.directory))
            if state == "cold":
                empty_page_cache()
            server = crash_and_start(server, expected, "restart")
            starts.append(server.seconds_to_ready)
        start, read = sorted(starts)[rounds // 2], sorted(reads)[rounds // 2]
        print(f"{name:<14} {state}: ready in {start:.3f} s; reading the files takes {read:.3f} s", flush=True)
    ready = [line for line in server.log_text().splitlines() if "ready on" in line]
    print(f"  it said: {ready[-1].strip()}")
    return server


def show_files(directory):
    print("  " + ", ".join(f"{name} {size / MIB:.1f} MiB" for name, size in files(directory)))


def main():
    parser = argparse.ArgumentParser(description="Seconds to ready after kill -9.")
    parser.add_argument("--base", default=f"{SAMPLE}/texts.f32")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3, help="starts per figure; the median is shown")
    parser.add_argument("--server-args", default="")
    args = parser.parse_args()
    die_cleanly()
    rows = Rows(args.base, args.dim)
    with Scratch("engram-restart-") as scratch:
        server = Server(os.path.join(scratch.path, "data"), args=args.server_args.split()).start()
        with server.client() as client:
            client.call("VNEW", "restart", args.dim)
        seconds = load(server.port, "restart", rows, 8)
        print(f"{len(rows)} x {args.dim} loaded in {seconds:.1f} s")
        show_files(server.directory)
        server = measure("log alone", server, len(rows), args.rounds)
        with server.client(timeout=300) as client:
            begun = time.monotonic()
            client.call("VSAVE")
            print(f"VSAVE took {time.monotonic() - begun:.2f} s")
        show_files(server.directory)
        server = measure("snapshot", server, len(rows), args.rounds)
        server.kill()
    print("restart: done")


if __name__ == "__main__":
    main()
