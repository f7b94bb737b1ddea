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
import forms
import model as m
from engramlib import ReplyError
from history import NEVER, Did
from lives import Life
from observer import Observer
from savers import Backer, Lazy, Made, Saver
from sharer import Sharer
from supervisor import Watched, hear_of_threads
from verify import Verifier
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


class Forms(unittest.TestCase):
    """What VQUANT may have left."""

    def test_only_what_some_change_explains(self):
        early, late = forms.Change("va", "bin", 1, 2), forms.Change("va", "f32", 3, 4)
        beside, open_ = forms.Change("va", "int4", 1.5, 3.5), forms.Change("va", "int4", 1)
        all_must = lambda change: True  # noqa: E731
        none_must = lambda change: False  # noqa: E731
        self.assertEqual({"int8"}, forms.possible("int8", [], all_must))
        self.assertEqual({"bin"}, forms.possible("int8", [early], all_must))
        self.assertEqual({"f32"}, forms.possible("int8", [early, late], all_must))
        self.assertEqual({"bin", "int4"}, forms.possible("int8", [early, beside], all_must))
        self.assertEqual({"bin", "int4"}, forms.possible("int8", [early, open_], all_must))
        self.assertEqual({"int8", "bin", "f32"}, forms.possible("int8", [early, late], none_must))
        self.assertEqual({"bin", "f32"}, forms.possible("int8", [early, late], lambda change: change is early))

    def test_a_form_that_nobody_asked_for_is_a_loss(self):
        told = []
        verifier = Verifier([], [], True, told.append, {})
        found = account.Account([], [], 0, 0, (0, b""), [], None, 0, changes=[forms.Change("va", "bin", 1, 2)], must_have=lambda _: True)
        verifier.found_forms = {"va": "bin", "vb": "int8"}
        verifier.verify_forms(found)
        self.assertEqual([], told)
        verifier.found_forms = {"va": "int8", "vb": "f32"}
        verifier.verify_forms(found)
        self.assertEqual(["va is searched by int8, and may be by ['bin']", "vb is searched by f32, and may be by ['int8']"], told)

    def writer(self, reply, killed):
        life = Nothing(b"")
        if killed:
            life.killed.set()
        writer = Writer(life, Pool(0), {("i", "va"): 8}, random.Random(1), True)
        op = m.vquant("va", "bin")
        writer.pending.append((op, 1))
        writer.expect_form(op, 1)
        writer.acknowledge(op, None, 1, [reply])
        life.server.socket.close()
        return writer

    def test_a_writer_knows_which_refusals_there_are(self):
        self.assertEqual((1, []), (self.writer("OK", False).forms, self.writer("OK", False).wrong))
        finishing = ReplyError("ERR the server is shutting down, and the change of form is given up")
        for reply, killed, wrong in [
            (ReplyError("ERR the change to QUANT f32 is given up: QUANT bin was asked for"), False, 0),
            (finishing, True, 0),
            (finishing, False, 1),
            (ReplyError("ERR no"), False, 1),
        ]:
            writer = self.writer(reply, killed)
            self.assertEqual((wrong, []), (len(writer.wrong), writer.changes), reply)


class GivenUp(unittest.TestCase):
    def test_a_snapshot_or_backup_may_be_given_up_by_a_server_that_was_told_to_finish_only(self):
        for kind, what in [(Saver, "snapshot"), (Backer, "backup b0")]:
            for killed in (True, False):
                life = Nothing(b"-ERR the %s failed: the server is shutting down\r\n" % what.encode())
                client = Saver(life, random.Random(1), 0.0) if kind is Saver else Backer(life, random.Random(1))
                client.goes_on = lambda pause=0.0, once=[True]: bool(once) and once.pop()
                if killed:
                    life.killed.set()
                client.start()
                client.join(5)
                self.assertEqual(killed, not client.wrong, (kind, client.wrong))
                life.server.socket.close()


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
                self.changes = [forms.Change("va", "bin", 2, 2.5), forms.Change("va", "f32", 5)]
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

    def test_holds_the_form_of_some_change_that_was_asked_for_before_its_answer(self):
        for asked, answered, may in [(0, 1, {"int8"}), (2.2, 3, {"int8", "bin"}), (3, 4, {"bin"}), (4, 6, {"bin", "f32"})]:
            found = account.of_backup(self.life, Made("b", asked, answered, asked, answered))
            self.assertEqual(may, forms.possible("int8", found.changes, found.must_have))

    def test_an_answer_that_came_after_it_says_nothing(self):
        found = account.of_backup(self.life, Made("b", 2, 3.2, 2, 3.2))
        self.assertEqual([0.5, 1.5, 2.5, NEVER], [did.end for did in found.shared[0]])


if __name__ == "__main__":
    unittest.main()
