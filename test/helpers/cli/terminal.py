"""Runs a command in a pseudo terminal of 100 columns: what comes in is typed, what is shown goes out."""

import fcntl
import os
import pty
import struct
import sys
import termios

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))


def pass_on():
    """Types until there is no more to type, and ends with the command."""
    import select

    sources = [terminal, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        for source in ready:
            try:
                data = os.read(source, 65536)
            except OSError:  # the command has ended
                data = b""
            if source == terminal and not data:
                return
            if source == 0 and not data:
                sources.remove(0)
            os.write(1 if source == terminal else terminal, data)


pass_on()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
