# SPDX-License-Identifier: MIT
"""The protocol by hand: frames as bytes, and a connection that libpq has logged in, to send them on
and to read what comes.

    c = Raw(weir.conninfo())
    c.send(parse("", "select 1") + bind() + execute() + SYNC)
    c.ready()      # [("1", b""), ("2", b""), ("D", b"..."), ("C", b"SELECT 1\\0"), ("Z", b"I")]
"""
import os, socket, struct

import psycopg


def frame(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def z(text):
    return text.encode() + b"\0"


def query(sql):
    return frame("Q", z(sql))


def parse(name, sql):
    return frame("P", z(name) + z(sql) + b"\0\0")


def bind(portal="", name=""):
    return frame("B", z(portal) + z(name) + bytes(6))


def describe(kind, name=""):
    return frame("D", kind.encode() + z(name))


def execute(portal="", rows=0):
    return frame("E", z(portal) + struct.pack("!i", rows))


SYNC, FLUSH = frame("S"), frame("H")


def code(body):
    """SQLSTATE and the rest of an ErrorResponse or NoticeResponse."""
    fields = {f[:1]: f[1:].decode() for f in body.split(b"\0") if f}
    return fields[b"C"], " ".join(v for k, v in fields.items() if k in (b"M", b"D", b"H"))


def row(body):
    """The columns of a DataRow in text format."""
    out, at = [], 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        n = struct.unpack_from("!i", body, at)[0]
        out.append(None if n < 0 else body[at + 4:at + 4 + n].decode())
        at += 4 + max(n, 0)
    return tuple(out)


class Raw:
    def __init__(self, conninfo, seconds=20):
        self.pq = psycopg.pq.PGconn.connect(f"{conninfo} sslmode=disable".encode())
        if self.pq.status != psycopg.pq.ConnStatus.OK:
            raise RuntimeError(self.pq.error_message.decode())
        self.s = socket.socket(fileno=os.dup(self.pq.socket))
        self.s.settimeout(seconds)
        self.got = b""

    def send(self, data):
        self.s.sendall(data)
        return self

    def message(self):
        """The next (type, body); ("", b"") when the connection is closed."""
        while len(self.got) < 5 or len(self.got) < (n := struct.unpack("!i", self.got[1:5])[0] + 1):
            part = self.s.recv(65536)
            if not part:
                return "", b""
            self.got += part
        kind, body, self.got = self.got[:1].decode(), self.got[5:n], self.got[n:]
        return kind, body

    def until(self, kinds):
        """Everything up to a message of one of these types, but for notices."""
        out = []
        while not out or (out[-1][0] not in kinds and out[-1][0]):
            m = self.message()
            if m[0] != "N":
                out.append(m)
        return out

    def ready(self):
        return self.until("Z")

    def close(self):
        self.s.close()
        self.pq.finish()
