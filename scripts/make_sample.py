"""Makes scripts/sample from a folder with base.f32, base.txt, query.f32, query.txt and neighbors.u32 (384 dimensions).

    python3 scripts/make_sample.py DATA_FOLDER

Takes the queries listed below, for each its nearest texts of the whole set, so that the sample answers them as the whole
set would, and fills up with texts drawn at random. Standard library only; the same input gives the same bytes.
"""

import os
import random
import struct
import sys

from engramlib import Rows

DIM = 384
TEXTS = 2_200
NEIGHBORS_KEPT = 40
QUERIES = [
    "calculates the Levenshtein distance between two sequences",
    "micro-framework for building web applications in PHP",
    "Speech recognition tool - utililities",
    "English-Irish dictionary for the dict server/client",
    "Fast, light-weight proxy for memcached and Redis",
    "SOCKS wrapper for users behind a firewall",
    "minimalistic terminal program",
    "archive manager for MATE",
    "Sans-serif style CJK font derived from Droid",
    "Screensaver and screen lock formerly used in GNOME",
    "Midnight Commander - a powerful file manager",
    "Library for computing Fast Fourier Transforms - Double precision",
]


def lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")
    texts, questions = lines(f"{folder}/base.txt"), lines(f"{folder}/query.txt")
    base, queries = Rows(f"{folder}/base.f32", DIM), Rows(f"{folder}/query.f32", DIM)
    if len(texts) != len(base) or len(questions) != len(queries):
        sys.exit(f"{folder}: a text file and its vectors differ in length")
    with open(f"{folder}/neighbors.u32", "rb") as file:
        packed = file.read()
    width = len(packed) // 4 // len(queries)
    asked = [questions.index(text) for text in QUERIES]
    rows = set()
    for query in asked:
        rows.update(struct.unpack_from(f"<{NEIGHBORS_KEPT}I", packed, 4 * width * query))
    others = [row for row in range(len(base)) if row not in rows]
    rows.update(random.Random(384).sample(others, TEXTS - len(rows)))
    rows = sorted(rows)
    os.makedirs(out, exist_ok=True)
    for name, source, vectors, chosen in (("texts", texts, base, rows), ("queries", questions, queries, asked)):
        with open(f"{out}/{name}.txt", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{source[row]}\n" for row in chosen)
        with open(f"{out}/{name}.f32", "wb") as file:
            file.writelines(vectors[row] for row in chosen)
    print(f"{len(rows)} texts and {len(asked)} queries in {out}")


if __name__ == "__main__":
    main()
