#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`ninja demo-shell` at a terminal: psql as the agent, Ctrl-C is its own, \\q ends everything."""
import os, pty, re, select, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h


class Terminal:
    def __init__(self, command):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(h.ROOT)
            os.environ.update(NO_COLOR="1", TERM="dumb", TMPDIR=h.tmp())
            os.execvp("sh", ["sh", "-c", command])

    def type(self, text):
        self.text = ""
        os.write(self.fd, text.encode())

    def saw(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.text:
            h.check(time.monotonic() < end, f"no {text!r} in:\n{self.text}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:  # everybody has closed it
                    h.check(text in self.text, f"it ended without {text!r}:\n{self.text}")
        return self.text


def test_shell():
    # The shell stands for ninja: a Ctrl-C that reached it too would end it before it says how.
    t = Terminal("demo/demo.py --shell; echo ended=$?")
    said = t.saw("planner-7 @ orders=>")
    state = re.search(r"audit tail (\S+)/state/audit", said).group(1)
    conf = re.search(r"-c (\S+weir\.conf)", said).group(1)
    t.type("select pan from payments.cards where id = 1;\n")
    t.saw("************1111")
    t.type("alter table orders add column note text;\n")
    t.saw("waiting for approval")
    t.type("\x03")
    t.saw("WEIR-HOLD-CANCELLED")
    t.saw("planner-7 @ orders=>")
    t.type("alter table orders add column note text;\n")
    i = re.search(r"waiting for approval (\w+)", t.saw("HINT")).group(1)
    r = h.run([h.WEIR, "approvals", "approve", i, "--reason", "ok", "--as", "ana", "-c", conf],
              env={"WEIR_KEY": "k-ana"})
    h.eq(r.code, 0, repr(r))
    t.saw("ALTER TABLE")
    t.type("\\q\n")
    t.saw("ended=0")
    h.eq(os.waitpid(t.pid, 0)[1], 0)
    h.check(not os.path.exists(state), f"{state} is left")


if __name__ == "__main__":
    h.main(test_shell)
