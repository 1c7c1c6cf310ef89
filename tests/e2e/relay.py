# SPDX-License-Identifier: MIT
"""A relay between two peers that speak PostgreSQL's protocol, which spoils one connection at a time:
frames cut, oversized, repeated, swapped, early, late, unknown; streams torn, stalled, half closed.

What it does follows from the plan's seed and the stream alone.
"""
import random, select, socket, struct, threading, time

FRONTEND = b"QPBDECSHdcfFXp"
BACKEND = b"RSKZTDC123nstAENGHWIVv"
UP, DOWN = 0, 1  # from who connected, to who connected

ACTIONS = ("cut", "oversize", "undersize", "huge", "repeat", "swap", "drop", "early", "late", "unknown",
           "flip", "split", "kill", "kill-other", "half-close", "stall", "garbage", "other-side")


class Plan:
    """What happens to the next connection: `action` at frame `at` of `direction`."""

    def __init__(self, seed, direction, actions=ACTIONS, last=12):
        self.rng = random.Random(seed)
        self.direction = direction
        self.action = self.rng.choice(actions)
        self.at = self.rng.randrange(1, last)
        self.split = self.rng.random() < 0.5
        self.slow = self.rng.random() < 0.1
        self.done = False

    def __str__(self):
        return f"{self.action} at frame {self.at} {('up', 'down')[self.direction]}" + \
            (", split" if self.split else "") + (", slow reader" if self.slow else "")


def frame(kind, body=b""):
    return kind + struct.pack(">I", len(body) + 4) + body


def stray(rng, direction):
    """A frame that is well formed by itself, and stands where nobody expects it."""
    if direction == UP:
        return rng.choice([
            frame(b"Q", b"select 1\0"), frame(b"S"), frame(b"H"), frame(b"E", b"\0\0\0\0\0"),
            frame(b"E", b"nobody\0\0\0\0\0"), frame(b"B", b"\0nobody\0" + bytes(6)),
            frame(b"C", b"Snobody\0"), frame(b"d", b"1\tx\n"), frame(b"c"), frame(b"f", b"no\0"),
            frame(b"P", b"again\0select 1\0\0\0"), frame(b"p", b"SCRAM-SHA-256\0"),
            frame(b"F", struct.pack(">IHHH", 1299, 0, 0, 0)), frame(b"D", b"Pnobody\0"),
            frame(b"Q", b"drop table t\0"), frame(b"Q", b"select card from t\0")])
    return rng.choice([
        frame(b"Z", b"I"), frame(b"Z", b"T"), frame(b"1"), frame(b"2"), frame(b"3"), frame(b"n"),
        frame(b"s"), frame(b"I"), frame(b"C", b"SELECT 1\0"), frame(b"D", b"\0\1\0\0\0\1x"),
        frame(b"T", b"\0\1x\0" + bytes(6) + struct.pack(">IhIh", 25, -1, 0xffffffff, 0)),
        frame(b"G", b"\0\0\1\0\0"), frame(b"H", b"\0\0\1\0\0"), frame(b"W", b"\0\0\1\0\0"),
        frame(b"d", b"x"), frame(b"c"), frame(b"E", b"SERROR\0C22012\0Mstray\0\0"),
        frame(b"N", b"SNOTICE\0C00000\0Mstray\0\0"), frame(b"R", b"\0\0\0\0"), frame(b"V", b"\0\0\0\0"),
        frame(b"S", b"client_encoding\0SJIS\0"), frame(b"S", b"standard_conforming_strings\0off\0"),
        frame(b"K", bytes(8)), frame(b"A", bytes(4) + b"ch\0x\0"), frame(b"t", b"\0\0")])


class Flow:
    """One direction of one connection: bytes in, what to send out."""

    def __init__(self, plan, startup):
        self.plan, self.startup = plan, startup
        self.rest, self.n, self.held = b"", 0, b""

    def feed(self, data):
        """Yields ("send", bytes) and the names of what else is to be done."""
        self.rest += data
        while True:
            head = 4 if self.startup else 5
            if len(self.rest) < head:
                return
            total = struct.unpack(">I", self.rest[head - 4:head])[0] + head - 4
            if len(self.rest) < total:
                return
            f, self.rest = self.rest[:total], self.rest[total:]
            if self.startup:
                self.startup = False
                yield "send", f
                continue
            self.n += 1
            if self.held:
                yield "send", f + self.held
                self.held = b""
            elif self.n == self.plan.at and not self.plan.done:
                self.plan.done = True
                yield from self.spoil(f)
            else:
                yield "send", f

    def spoil(self, f):
        rng, action = self.plan.rng, self.plan.action
        length = struct.unpack(">I", f[1:5])[0]
        resized = lambda n: f[:1] + struct.pack(">I", n & 0xffffffff) + f[5:]
        kinds = FRONTEND if self.plan.direction == UP else BACKEND
        if action == "cut":
            yield "send", f[:rng.randrange(1, len(f) + 1)]
            yield "kill", b""
        elif action == "oversize":
            yield "send", resized(length + rng.choice([1, 4, 100, 70000]))
        elif action == "undersize":
            yield "send", resized(max(4, length - rng.choice([1, 2, 4])))
        elif action == "huge":
            yield "send", resized(rng.choice([0, 3, 0x7fffffff, 0xffffffff, 0x40000000]))
        elif action == "repeat":
            yield "send", f * rng.choice([2, 3, 50])
        elif action == "swap":
            self.held = f
        elif action == "drop":
            pass
        elif action == "early":
            yield "send", stray(rng, self.plan.direction) + f
        elif action == "late":
            yield "send", f + stray(rng, self.plan.direction)
        elif action == "unknown":
            yield "send", frame(bytes([rng.choice([k for k in range(256) if k not in kinds])]),
                                rng.randbytes(rng.randrange(20))) + f
        elif action == "flip":
            at = rng.randrange(len(f))
            yield "send", f[:at] + bytes([f[at] ^ 1 << rng.randrange(8)]) + f[at + 1:]
        elif action == "split":
            cut = rng.randrange(1, len(f))
            yield "send", f[:cut]
            yield "pause", b""
            yield "send", f[cut:]
        elif action == "garbage":
            yield "send", rng.randbytes(rng.choice([1, 4, 5, 6, 100, 5000]))
        elif action == "other-side":
            yield "send", stray(rng, 1 - self.plan.direction) + f
        elif action == "stall":
            yield "send", f[:rng.randrange(1, len(f))]
            yield "stall", b""
        else:
            yield "send", f
            yield action, b""


class Relay:
    """Listens, and connects each peer with `port`. arm(plan) is for the next connection that is not
    one of the gateway's own looks at the catalog."""

    def __init__(self, port, life=0.5):
        self.port, self.life = port, life
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listen = self.listener.getsockname()[1]
        self.plan = None
        self.seen = b""  # what went DOWN on the armed connection
        self.active = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, plan):
        self.plan, self.seen = plan, b""

    def accept(self):
        while True:
            s, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        try:
            first = s.recv(65536)
            other = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            s.close()
            return
        plan = None
        if b"weir-catalog" not in first:
            plan, self.plan = self.plan, None
        for x in (s, other):
            x.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.active += 1
            if plan:
                self.spoilt(s, other, first, plan)
            else:
                self.plain(s, other, first)
        except OSError:
            pass
        finally:
            self.active -= 1
            s.close()
            other.close()

    def plain(self, s, other, first):
        other.sendall(first)
        while True:
            for x in select.select([s, other], [], [])[0]:
                data = x.recv(65536)
                if not data:
                    return
                (other if x is s else s).sendall(data)

    def spoilt(self, s, other, first, plan):
        sides = {s: (other, Flow(plan, True) if plan.direction == UP else None),
                 other: (s, Flow(plan, False) if plan.direction == DOWN else None)}
        queue = [(s, first)]
        end = time.monotonic() + self.life
        while time.monotonic() < end:
            for x, data in queue:
                to, flow = sides[x]
                if not data:
                    return
                if x is other:
                    self.seen += data
                for what, b in flow.feed(data) if flow else [("send", data)]:
                    if not self.act(x, to, what, b, plan, end):
                        return
            if plan.slow and plan.done:
                plan.slow = False
                time.sleep(min(0.3, max(0, end - time.monotonic())))
            ready = select.select(list(sides), [], [], max(0, end - time.monotonic()))[0]
            queue = [(x, x.recv(65536)) for x in ready]

    def act(self, x, to, what, b, plan, end):
        """False: the connection is over."""
        if what == "send":
            if plan.split and len(b) > 1:
                cut = plan.rng.randrange(1, len(b))
                to.sendall(b[:cut])
                to.sendall(b[cut:])
            else:
                to.sendall(b)
        elif what == "pause":
            time.sleep(0.02)
        elif what == "half-close":
            to.shutdown(socket.SHUT_WR)
        elif what == "stall":
            time.sleep(min(0.3, max(0, end - time.monotonic())))
        else:  # kill: without a word, by a reset half of the time
            victim = to if what == "kill" else x
            if plan.rng.random() < 0.5:
                victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return True
