"""The client that only reads: what it was shown must be there after every crash, and in every backup asked for afterwards."""

import time

from client import ClientThread
from engramlib import ReplyError

SAME = [f"s:same:{i}" for i in range(4)]
"""Keys whose values are written together only, and so are the same always."""


class Observer(ClientThread):
    """Reads what all writers share. `seen` says when it had been shown which count and how much of the log."""

    def __init__(self, life, asks_info=False):
        super().__init__(life)
        self.asks_info, self.longest_sync = asks_info, 0.0
        self.count, self.log, self.looks, self.seen = 0, b"", 0, []

    def talk(self, client):
        while self.goes_on(0.003):
            commands = [("GET", "s:count"), ("GET", "s:log"), ("MGET", *SAME), ("DBSIZE",)]
            if self.asks_info and self.looks % 10 == 0:
                commands.append(("INFO", "everything"))
            self.look(*client.pipeline(commands))

    def look(self, count, log, same, size, info=b""):
        for reply in (count, log, same, size, info):
            if isinstance(reply, ReplyError):
                raise AssertionError(f"a reader got an error: {reply}")
        count, log = int(count or 0), log or b""
        if count < self.count or not log.startswith(self.log):
            self.wrong.append(f"went back while running: s:count {self.count} -> {count}")
        if len(set(same)) != 1 or None in same:
            self.wrong.append("MGET saw half a MSET")
        self.count, self.log, self.looks = count, log, self.looks + 1
        self.seen.append((time.time(), count, len(log)))
        for line in info.decode().splitlines():
            if line.startswith("log_longest_sync_usec:"):
                self.longest_sync = int(line.split(":")[1]) / 1e6

    def shown_before(self, moment):
        """(count, log) as it had been shown by then."""
        _, count, length = max((seen for seen in self.seen if seen[0] < moment), default=(0, 0, 0))
        return count, self.log[:length]
