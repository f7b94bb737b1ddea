"""Runs a command on a terminal of its own, types the lines of standard input, prints what the terminal showed as plain text."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time

lines = sys.stdin.read().splitlines()
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
shown = b""
for line in [*lines, "quit"]:
    time.sleep(0.3)
    os.write(terminal, line.encode() + b"\r")
try:
    while data := os.read(terminal, 65536):
        shown += data
except OSError:
    pass
os.waitpid(pid, 0)
text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).replace(b"\r", b"\n").decode("utf-8", "replace")
print(text)
