"""A client of a crash test: a thread with a connection, none of whose ends goes unnoticed.

Whatever ends it while its server is meant to live is written down as wrong: an error, an answer that never comes, a connection
that is lost, an exception of the test's own. Only a server that was killed, or has killed itself where it was aimed at, may end
a connection; its log says so before it dies.
"""

import threading
import traceback

from engramlib import Client, ReplyError


class ClientThread(threading.Thread):
    """`talk` is what it does; `life` says when that is over. `wrong` is what must not have happened."""

    patience = 30.0
    """Seconds it waits for an answer."""

    def __init__(self, life):
        super().__init__(daemon=True)
        self.life, self.wrong = life, []

    def run(self):
        who = type(self).__name__
        try:
            with Client(self.life.server.port, timeout=self.patience) as client:
                self.talk(client)
        except TimeoutError:
            self.wrong.append(f"{who}: no answer within {self.patience:.0f} s")
        except OSError as error:
            if not self.life.may_be_dead():
                self.wrong.append(f"{who}: connection lost though nobody had killed the server: {error}")
        except Exception:
            self.wrong.append(f"{who} has died: {traceback.format_exc()}")

    def talk(self, client):
        raise NotImplementedError

    def given_up(self, reply):
        """True for what only a server says that was told to finish."""
        return self.life.killed.is_set() and isinstance(reply, ReplyError) and "the server is shutting down" in str(reply)

    def goes_on(self, pause=0.0):
        """After so many seconds, and as long as it has to keep still: whether there is more to do."""
        life = self.life
        if life.killed.wait(pause) if pause else life.killed.is_set():
            return False
        life.gate.wait()
        return not life.killed.is_set() and not life.over.is_set()
