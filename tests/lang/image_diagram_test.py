#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An image whose diagram was changed, and that was signed again: the signature is good, the code is verified, its
rules read as before; what would run of it does not do what they say."""
import os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
POLICY = """policy p
group agents = idp "ai-agents"
allow read  who agents   do sql.select   when table matches "app.*"
deny  cards do sql.select   when table = "app.cards"
"""
SKIP_TRUE = 4


def path(name):
    return f"{h.tmp()}/{name}"


def write(name, content):
    with open(path(name), "wb") as f:
        f.write(content)
    return path(name)


def item(data, at):
    """Where the content of the CBOR string at `at` begins, and how long it is."""
    n = data[at] & 0x1f
    if n < 24:
        return at + 1, n
    size = 1 << (n - 24)
    return at + 1 + size, int.from_bytes(data[at + 1:at + 1 + size], "big")


def diagram(body):
    """Offset and length of the command's diagram."""
    at, n = item(body, body.rindex(b"\x67command") + 8)
    return item(body, at + n)


def head(n):
    return b"\x59" + n.to_bytes(2, "big") if n > 255 else b"\x58" + bytes([n]) if n > 23 else bytes([0x40 + n])


def signed(body, key):
    """As whoever has the key can sign anything."""
    with open(key) as f:
        seed = bytes.fromhex(f.read().strip())
    der = write("key.der", bytes.fromhex("302e020100300506032b657004220420") + seed)
    r = h.run(["openssl", "pkeyutl", "-sign", "-inkey", der, "-keyform", "DER", "-rawin", "-in",
               write("message", b"weir-image-1\n" + body), "-out", path("signature")])
    h.eq(r.code, 0, r.err)
    with open(path("signature"), "rb") as f:
        sig = f.read()
    pub = bytes.fromhex(h.weir("sign", "--public", key).out.strip())
    return (b"\xa4\x00\x6aweir-image\x01" + head(len(body)) + body + b"\x02" + head(32) + pub + b"\x03" +
            head(64) + sig)


def refused(argv, image):
    r = h.weir(*argv)
    h.eq(r.code, 2 if argv[0] == "diff" else 1, f"{argv}: {r!r}")
    h.has(r.err, f"'{image}' is refused", "its diagram decides otherwise than its rules", "(command)",
          "build it again")


def test_changed_and_signed_again():
    write("p.weir", POLICY.encode())
    key = path("a.key")
    public = h.weir("sign", "--new-key", key).out.strip()
    r = h.weir("build", path("p.weir"), "-o", path("good.img"), "--key", key, "--counter", "3")
    h.eq(r.code, 0, repr(r))
    with open(path("good.img"), "rb") as f:
        good = f.read()
    at, n = item(good, good.index(b"weir-image\x01") + 11)
    body = good[at:at + n]
    h.eq(signed(body, key), good, "the test signs as weir does")
    start, length = diagram(body)
    told = 0
    for i in range(start, start + length, 8):
        bad = body[:i + 1] + bytes([body[i + 1] ^ SKIP_TRUE]) + body[i + 2:]
        image = write("bad.img", signed(bad, key))
        r = h.weir("verify", image, "--signed-by", public)
        h.eq(r.code, 1, f"instruction {(i - start) // 8}: {r!r}")
        if "its diagram decides otherwise" in r.err:
            told += 1
            last = bad
    h.check(told > 1, f"{told} of {length // 8} instructions")
    image = write("bad.img", signed(last, key))
    for argv in (["verify", image], ["dis", image], ["who-can", image, "sql.select"], ["diff", path("p.weir"), image],
                 ["sign", image, "--key", key]):
        refused(argv, image)
    w = h.Weir(start=False)
    with open(w.conf_path) as f:
        conf = f.read().replace(f'"{w.policy}"', f'"%s" signed-by "{public}"')
    conf += '\ntarget db\n  protocol postgres\n  address 127.0.0.1:1\n  database db\n  login "a" password "b"\n  tls off\n'
    for name, code in (("good.img", 0), ("bad.img", 1)):
        write("weir.conf", (conf % path(name)).encode())
        r = h.weir("run", "--check", "-c", path("weir.conf"))
        h.eq(r.code, code, repr(r))
    h.has(r.err, "bad.img is refused: its diagram decides otherwise than its rules")


h.main(test_changed_and_signed_again)
