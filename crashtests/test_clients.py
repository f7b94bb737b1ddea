"""No client of a crash test ends unnoticed, and no log is left unread: each shown by a server that does what none may."""

import contextlib
import os
import random
import socket
import tempfile
import threading
import time
import unittest

import account
import model as m
from history import NEVER, Did
from lives import Life
from observer import Observer
from savers import Backer, Lazy, Made, Saver
from sharer import Sharer
from supervisor import Watched, hear_of_threads
from writer import Pool, Writer


class Wrong:
    """A server that answers whatever it is asked with the same bytes and, where there are none, ends the connection."""

    def __init__(self, answer):
        self.answer, self.socket, self.text = answer, socket.create_server(("127.0.0.1", 0)), ""
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer_all, args=[connection], daemon=True).start()

    def answer_all(self, connection):
        with connection, contextlib.suppress(OSError):
            while connection.recv(1 << 20) and self.answer:
                connection.sendall(self.answer)

    def log_text(self):
        return self.text

    def is_alive(self):
        return True


class Nothing:
    """A life with such a server."""

    def __init__(self, answer):
        self.server, self.threads = Wrong(answer), []
        self.killed, self.over, self.gate = threading.Event(), threading.Event(), threading.Event()
        self.gate.set()

    def may_be_dead(self):
        return Life.may_be_dead(self)


def clients(life):
    rng = random.Random(1)
    return [
        Writer(life, Pool(0), {}, rng, False),
        Observer(life),
        Sharer(life, 0, rng),
        Saver(life, rng, 0.0),
        Backer(life, rng),
        Lazy(life),
    ]


def ended(answer, kinds, before=lambda life: None):
    """What such clients have found wrong, each after it has ended by itself or was told to."""
    out = {}
    for number, kind in enumerate(map(type, clients(Nothing(answer)))):
        if kind in kinds:
            life = Nothing(answer)
            before(life)
            client = clients(life)[number]
            client.start()
            client.join(0.3)
            life.killed.set()
            client.join(5)
            assert not client.is_alive()
            out[kind] = "\n".join(client.wrong)
            life.server.socket.close()
    return out


EVERYONE = [Writer, Observer, Sharer, Saver, Backer, Lazy]


class Noticed(unittest.TestCase):
    def test_a_connection_that_ends_while_the_server_lives(self):
        for kind, wrong in ended(b"", EVERYONE).items():
            self.assertIn("connection lost though nobody had killed the server", wrong, kind)

    def test_but_not_one_that_a_kill_ends(self):
        for kind, wrong in ended(b"", EVERYONE, lambda life: life.killed.set()).items():
            self.assertEqual("", wrong, kind)

        def has_killed_itself(life):
            life.server.text = "killed at serve/SnapshotBegun/1, 1763860000.123456 s\n"

        for kind, wrong in ended(b"", EVERYONE, has_killed_itself).items():
            self.assertEqual("", wrong, kind)

    def test_what_is_not_resp(self):
        for kind, wrong in ended(b"?what\r\n", EVERYONE).items():
            self.assertIn("not RESP", wrong, kind)
            self.assertIn("Traceback", wrong, kind)

    def test_an_error_reply(self):
        for kind, wrong in ended(b"-ERR no\r\n" * 100, [Writer, Observer, Saver, Backer, Lazy]).items():
            self.assertIn("ERR no", wrong, kind)

    def test_a_backup_over_another(self):
        self.assertIn("name that is taken", ended(b"+OK\r\n", [Backer])[Backer])

    def test_an_answer_that_never_comes(self):
        life = Nothing(b"$5\r\nhal")
        client = Observer(life)
        client.patience = 0.1
        client.start()
        client.join(5)
        self.assertIn("no answer within", client.wrong[0])
        life.server.socket.close()

    def test_a_value_that_goes_back(self):
        life = Nothing(b"")
        observer = Observer(life)
        observer.look(5, b"ab", [b"1"] * 4, 9)
        observer.look(4, b"ab", [b"1"] * 4, 9)
        observer.look(5, b"ab", [None] * 4, 9)
        self.assertEqual(2, len(observer.wrong))
        life.server.socket.close()


class Threads(unittest.TestCase):
    def test_one_that_dies_of_an_exception_is_heard_of(self):
        told, hook = [], threading.excepthook
        hear_of_threads(told.append)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        threading.excepthook = hook
        self.assertIn("ZeroDivisionError", told[0])


class Windows(unittest.TestCase):
    """What may be gone, by tier: of `everysec` what is within the second and what was measured."""

    def life(self, tier, power, late=0.0, longest_sync=0.0):
        life = Life.__new__(Life)
        life.tier, life.power, life.orderly, life.ended, life.ended_ticks = tier, power, False, 100.0, 100.0
        life.pulse, life.observer = self, self
        self.late, self.longest_sync = late, longest_sync
        return life

    def latest(self, since, until):
        return self.late

    def test_always_loses_nothing(self):
        for power in (False, True):
            self.assertEqual(2, self.life("always", power).safe([1.0, 99.9999]))

    def test_everysec_loses_a_second_and_what_was_measured(self):
        moments = [98.9, 98.98, 99.5, 99.96, 99.98]
        self.assertEqual(1, self.life("everysec", True).safe(moments))
        self.assertEqual(4, self.life("everysec", False).safe(moments))
        self.assertEqual(4, self.life("no", False).safe_ticks(moments))
        self.assertEqual(0, self.life("everysec", True, late=0.05).safe(moments))
        self.assertEqual(3, self.life("everysec", False, longest_sync=0.1).safe(moments))

    def test_without_syncs_a_power_loss_may_take_all(self):
        self.assertEqual(0, self.life("no", True).safe([1.0]))


class Logs(unittest.TestCase):
    def test_a_panic_is_found_in_the_log_of_a_server_killed_while_starting(self):
        for kill_after in (0.5, None):
            told, program = [], tempfile.NamedTemporaryFile("w", delete=False)
            program.write("#!/bin/sh\necho 'thread log panicked at src/wal: no'\n" + ("exec sleep 9\n" if kill_after else "exit 1\n"))
            program.close()
            os.chmod(program.name, 0o755)
            server = Watched(told.append, "nowhere", program=program.name)
            if kill_after:
                server.start(wait=False)
                time.sleep(kill_after)
                server.kill()
                server.kill()
            else:
                self.assertRaises(RuntimeError, server.start)
            self.assertEqual(1, len(told))
            self.assertIn("panicked", told[0])
            os.remove(program.name)


class Backups(unittest.TestCase):
    """What must be in a backup, and what may."""

    def setUp(self):
        class Stub:
            """A life of one writer: an operation each second, from 1 on, the last without an answer."""

            def __init__(self):
                ops = [m.set_("k", b"%d" % n) for n in range(6)]
                self.pool, self.base = Pool(0), {}
                self.done = [(op, n, n + 0.5) for n, op in enumerate(ops[:5])]
                self.pending = [(ops[5], 5)]
                self.notes_sent = [("count", n) for n in range(6)]
                self.notes_acknowledged = [("count", [n], n + 0.5) for n in range(5)]
                self.writers, self.observer, self.sharers, self.gone = [self], self, [self], 9
                self.did = [Did(("SET", "r:0", b"x"), n, n + 0.5 if n < 5 else NEVER, "OK") for n in range(6)]

            def shown_before(self, moment):
                return moment, b""

        self.life = Stub()

    def test_holds_what_was_acknowledged_and_nothing_sent_later(self):
        for asked, answered, least, most in [(0, 0.1, 0, 1), (2, 3.2, 2, 4), (5.2, 5.4, 5, 6), (9, 9, 5, 6)]:
            found = account.of_backup(self.life, Made("b", asked, answered, asked, answered))
            writer = found.writers[0]
            self.assertEqual((least, most), (writer.least, len(writer.todo)))
            self.assertEqual((least, most), (found.counted, found.counting))
            self.assertEqual((least, most), (found.required[0], len(found.shared[0])))
            self.assertEqual(asked, found.shown[0])

    def test_an_answer_that_came_after_it_says_nothing(self):
        found = account.of_backup(self.life, Made("b", 2, 3.2, 2, 3.2))
        self.assertEqual([0.5, 1.5, 2.5, NEVER], [did.end for did in found.shared[0]])


if __name__ == "__main__":
    unittest.main()
