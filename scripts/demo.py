"""The demo: loads real text embeddings into a fresh server, asks for the nearest texts, pulls the plug, asks again.

    python3 scripts/demo.py        (scripts/demo.sh builds the server first)

Each text is kept as a plain key (`text:ROW`), its embedding in the index `memory` under the row's number.
"""

import os
import shutil
import sys
import time

from engramlib import Rows, Scratch, Server, die_cleanly

DIM = 384
SHOWN = 3
WIDTH = max(60, shutil.get_terminal_size((110, 40)).columns)
SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")


def lines(name):
    with open(os.path.join(SAMPLE, name), encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def load(client, texts, vectors):
    """Returns the seconds it took until every text and vector was on disk."""
    begun = time.monotonic()
    client.call("VNEW", "memory", DIM, "METRIC", "cosine")
    commands = []
    for row, text in enumerate(texts):
        commands += [("SET", f"text:{row}", text), ("VADD", "memory", row, vectors[row])]
    replies = client.pipeline(commands, depth=128)
    wrong = [reply for reply in replies if reply not in ("OK", 1)]
    if wrong:
        sys.exit(f"loading failed: {wrong[0]!r}")
    return time.monotonic() - begun


def ask(client, question, vector):
    """Prints the nearest texts; returns them and the milliseconds of the search alone."""
    begun = time.monotonic()
    hits = client.call("VSEARCH", "memory", vector, SHOWN)
    milliseconds = (time.monotonic() - begun) * 1000
    rows, distances = hits[::2], hits[1::2]
    texts = [text.decode() for text in client.call("MGET", *(b"text:" + row for row in rows))]
    print(f"\n? {question}   ({milliseconds:.1f} ms)")
    for distance, text in zip(distances, texts):
        room = WIDTH - 10
        print(f"  {float(distance):.3f}  {text if len(text) <= room else text[: room - 2] + '..'}")
    return texts, milliseconds


def main():
    die_cleanly()
    texts, questions = lines("texts.txt"), lines("queries.txt")
    vectors, asked = Rows(f"{SAMPLE}/texts.f32", DIM), Rows(f"{SAMPLE}/queries.f32", DIM)
    with Scratch("engram-demo-") as scratch:
        server = Server(os.path.join(scratch.path, "data")).start()
        with server.client() as client:
            seconds = load(client, texts, vectors)
            print(f"{len(texts)} texts and their embeddings stored and synced in {seconds:.1f} s.")
            print("Each question is a description nobody stored; below it the closest texts and their cosine distance.")
            before = [ask(client, question, vector) for question, vector in zip(questions, asked)]
        print("\nkill -9, and a new server on the same directory ..")
        server.kill()
        server = Server(server.directory).start()
        print(f"ready after {server.seconds_to_ready:.2f} s. The first question again:")
        with server.client() as client:
            again, _ = ask(client, questions[0], asked[0])
        server.terminate()
    if again != before[0][0]:
        sys.exit("FAILED: the answer changed over the restart")
    slowest = max(milliseconds for _, milliseconds in before)
    print(f"\ndemo: {len(questions)} questions answered, slowest search {slowest:.1f} ms, nothing lost to kill -9")


if __name__ == "__main__":
    main()
