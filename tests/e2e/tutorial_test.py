#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/tutorial.md, as a reader would follow it: its files are written, its commands run, in order, and
what it shows of their output is what they print (UPDATE=1 rewrites what does not fit). A line `...` stands
for any lines; times, ids, digests and numbers of nanoseconds differ from run to run."""
import os, re, time

import harness as h

PAGE = f"{h.ROOT}/docs/tutorial.md"
# A file (`Write `x`:` or `Add to `x`:` before the block) or a session (```console).
BLOCK = re.compile(r"(?:(Write|Add to) `([\w.]+)`[^`]*?:\n\n```\n(.*?)^```$)|(?:^```console\n(.*?)^```$)", re.M | re.S)
VARIES = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{20,}", "UUID"),
    (r"\b(?:[0-9a-f]{12,64}|[0-9a-f]{8})\b", "HEX"),
    (r"(?m)^[0-9a-z]{8}  |(?<=approval )[0-9a-z]{8}|(?<=approve )[0-9a-z]{8}", "REQUEST "),
    (r"\b\d+m\d+s\b", "DURATION"),
    (r"(?m)^\S+/audit: intact", "ORIGIN: intact"),
    (r"\d+ signed by \d+ heads", "N signed by N heads"),
    (r"[A-Za-z0-9+/_-]{40,}=*", "BASE64"),
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?", "TIME"),
    (r"\b\d\d:\d\d:\d\d(?:\.\d+)?Z?", "TIME"),
    (r"\b\d+(?:\.\d+)? (?:ns|us|ms|s)\b", "DURATION"),
    (r"\bcounter \d+", "counter N"),
    (r"approved, and running", "approved"),
    (r" +", " "),
]


def plain(text):
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text.strip()


def fits(shown, got):
    """Whether the output is as shown, `...` lines standing for any."""
    parts = [re.escape(plain(x)) for x in re.split(r"(?m)^ *\.\.\.$\n?", shown)]
    return re.fullmatch("(?:.*\n)?.*?".join(f"\\s*{p}\\s*" for p in parts), plain(got), re.S) is not None


class Reader:
    def __init__(self):
        self.dir = f"{h.tmp()}/tutorial"
        os.mkdir(self.dir)
        self.pg = h.Postgres()
        self.ports = {"5432": self.pg.port, "6432": h.free_port(), "6433": h.free_port()}
        self.env = dict(PATH=f"{os.path.dirname(h.WEIR)}:{os.path.dirname(h.pg_bin('psql'))}:{os.environ['PATH']}",
                        PGPASSWORD="pw", WEIR=h.WEIR)
        self.commands, self.background, self.ids = 0, False, {}

    def here(self, text):
        """With the ports that are free here, and the requests that were made here."""
        text = re.sub(r"\b(5432|6432|6433)\b", lambda m: str(self.ports[m[1]]), text)
        return re.sub(r"\b[0-9a-z]{8}\b", lambda m: self.ids.get(m[0], m[0]), text)

    def there(self, text):
        for shown, port in self.ports.items():
            text = text.replace(str(port), shown)
        return text.replace(self.dir + "/", "")

    def write(self, how, name, text):
        with open(f"{self.dir}/{name}", "w" if how == "Write" else "a") as f:
            f.write(("" if how == "Write" else "\n") + self.here(text))

    def start(self, command):
        """What ends with & goes on until it ends, or the reader does."""
        self.background = True
        with open(f"{self.dir}/log", "ab") as log:
            p = h.spawn(["bash", "-c", f"exec {command}"], cwd=self.dir, stdout=log, stderr=log,
                        env=dict(os.environ, **self.env))

        def up():
            with open(f"{self.dir}/log") as f:
                h.check(p.poll() is None, f"{command}: {f.read()}")
            return h.listening(self.ports["6432"])
        h.wait_for(up, 30, "the gateway listens")
        return ""

    def run(self, command, shown):
        self.commands += 1
        words = self.here(command)
        if words.endswith(" &"):
            return self.start(words[:-2])
        for _ in range(200):
            got = "\n".join(x.rstrip() for x in self.there(h.run(
                ["bash", "-c", f"exec 2>&1; {words}"], cwd=self.dir, env=self.env).out).splitlines())
            # Of what goes on in the background a reader sees some later than others.
            if fits(shown, got) or not self.background or not re.search("^cat|list", words):
                break
            time.sleep(0.1)
        was, now = (re.search(r"^([0-9a-z]{8})  ", x, re.M) for x in (shown, got))
        if was and now:
            self.ids[was[1]] = now[1]
        return got


def session(reader, text, wrong):
    """Runs a console block; the block as it should be."""
    said = ""
    for m in re.finditer(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", text, re.M):
        got = reader.run(m[1], m[2])
        if fits(m[2], got):
            said += m[0]
        else:
            wrong.append(f"$ {m[1]}\n{got}\n-- shown:\n{m[2]}")
            said += f"$ {m[1]}\n{got.rstrip()}\n"
    return said


def test_tutorial():
    with open(PAGE) as f:
        page = f.read()
    reader, wrong, new, at = Reader(), [], "", 0
    for m in BLOCK.finditer(page):
        if m[1]:
            reader.write(m[1], m[2], m[3])
            continue
        new += page[at:m.start(4)] + session(reader, m[4], wrong)
        at = m.end(4)
    h.check(reader.commands >= 15, f"{reader.commands} commands")
    if os.environ.get("UPDATE"):
        with open(PAGE, "w") as f:
            f.write(new + page[at:])
        return
    h.eq(wrong, [], "\n\n".join(wrong))


def test_comparison():
    """The comparison can fail."""
    h.check(fits("a\n...\nd\n", "a\nb\nc\nd\n"), "a gap")
    h.check(fits("took 12 ns\n", "took 7 ns\n"), "a time")
    h.check(not fits("a\n...\nd\n", "a\nb\nc\n"), "a missing end")
    h.check(not fits("a\nd\n", "a\nb\nd\n"), "a line more")
    h.check(not fits("denied\n", "allowed\n"), "another word")


h.main(test_comparison, test_tutorial)
