"""A log segment read by the book (src/wal/FORMAT.md), as a second opinion on where its records end and what is behind them."""

import os
import struct

HEADER, RECORD = 32, 28
LOOKED_AT = 100_000
"""Payloads' checksums are compared within so many last bytes only: a crash tears no others, and it takes its time here."""


def table():
    out = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        out.append(crc)
    return out


TABLE = table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Segment:
    """`end` is where the records end, `last` the last one's number, `fault` what is behind them: nothing, `room`, `short`,
    `header` or `payload`; `marked` whether a mark is the last of them, `marks` how many there are. `whole` is false where
    there is no header."""

    def __init__(self, path):
        with open(path, "rb") as log:
            self.data = log.read()
        self.first = int(os.path.basename(path)[4:24])
        self.end, self.last, self.fault, self.marks, self.marked = 0, self.first - 1, None, 0, False
        self.whole = self.has_header()
        if self.whole:
            self.walk(len(self.data))
            # Now that it is known where about they end: where exactly.
            self.walk(max(HEADER, self.end - LOOKED_AT))

    def has_header(self):
        head = self.data[:HEADER]
        good = len(head) == HEADER and head.startswith(b"engramwl")
        return good and struct.unpack_from("<I", head, 12)[0] == crc32c(head[:12] + head[16:])

    def seal(self, header):
        """A record's header with its checksum, from everything behind it."""
        return struct.pack("<I", crc32c(self.data[24:32] + header)) + header

    def walk(self, looked_at):
        """From the first record on; checksums are compared from this place on."""
        self.end, self.last, self.fault, self.marks, self.marked = HEADER, self.first - 1, None, 0, False
        while self.end < len(self.data) and not self.fault:
            self.step(self.end >= looked_at)

    def step(self, near):
        at, head = self.end, self.data[self.end : self.end + RECORD]
        if not any(head):
            self.fault = "room"
            return
        if len(head) < RECORD:
            self.fault = "short"
            return
        _, crc, length, number, durable = struct.unpack("<IIIQQ", head)
        mark = length == 0 and number == durable == self.last
        if not (mark or number == self.last + 1) or (near and self.seal(head[4:]) != head):
            self.fault = "header"
        elif at + RECORD + length > len(self.data):
            self.fault = "short"
        elif near and crc32c(self.data[at + RECORD : at + RECORD + length]) != crc:
            self.fault = "payload"
        else:
            self.end, self.marked = at + RECORD + length, mark
            self.marks += mark
            self.last = number

    def torn_record(self, payload, cut):
        """What a crash may leave of the next record: its header, which claims nothing, and a part of its payload, or all of
        it but not the right one."""
        crc = crc32c(payload) ^ (0 if cut < len(payload) else 1)
        return self.seal(struct.pack("<IIQQ", crc, len(payload), self.last + 1, 0)) + payload[:cut]
