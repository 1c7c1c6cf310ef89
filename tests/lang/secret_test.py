#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A key, a password or something binary where a policy, a configuration, facts, a log or an image is asked
for: every command says what is wrong, and prints nothing of what is in the file."""
import base64, os, re, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
POLICY = 'policy p\ngroup a = idp "a"\ndata c = column t.c\nallow read who a do sql.select\nmask c with null\n'
SEED = "9f3c" + "51d2e8a7" * 7 + "beef"
PEM = base64.b64encode(bytes(range(7, 103))).decode()


def secrets():
    """name, the file's bytes, what of it must not be seen"""
    return [
        ("seed", f"{SEED}\n".encode(), [SEED[:12]]),
        ("seed without a line end", SEED.encode(), [SEED[:12]]),
        ("password", b"hunter2-S3cret\n", ["hunter2"]),
        ("two words", b"correct horse\nbattery staple\n", ["horse", "staple"]),
        ("environment", b"DB_PASSWORD=hunter2\nexport KEY='hunter2'\n", ["hunter2"]),
        ("pgpass", b"db.example.org:5432:app:app:hunter2\n", ["hunter2"]),
        ("PEM", f"-----BEGIN PRIVATE KEY-----\n{PEM[:64]}\n{PEM[64:]}\n-----END PRIVATE KEY-----\n".encode(),
         [PEM[:12], PEM[64:76]]),
        ("a policy with a PEM key in it", (POLICY + f"-----BEGIN EC PRIVATE KEY-----\n{PEM}\n").encode(),
         [PEM[:12]]),
        ("a configuration", b'listen postgres 127.0.0.1:6432\npolicy "p.weir"\n'
         b'principal ann kind human key "hunter2" hunter2\n', ["hunter2"]),
        ("binary", b"\x30\x2e\x02\x01hunter2\x00\xff\xfehunter2\n\x80hunter2", ["hunter2"]),
        ("UTF-16", "hunter2\n".encode("utf-16"), ["hunter2", "h\0u\0n"]),
        ("a keyword's name", b"allowhunter2\n", ["hunter2"]),
    ]


def commands(secret, good, folder):
    part, catalog = f"{folder}/part.weir", f"{folder}/catalog.weir"
    with open(part, "w") as f:
        f.write(POLICY + f'import "{os.path.basename(secret)}"\n')
    with open(catalog, "w") as f:
        f.write(POLICY + f'catalog "{os.path.basename(secret)}"\n')
    for argv in (["check"], ["check", "--json"], ["check", "--format", "sarif"], ["check", "--strict"],
                 ["check", "--fix"], ["test"], ["test", "--json"], ["prove"], ["dis"], ["dis", "--source"],
                 ["fmt"], ["fmt", "--check"], ["build", "-o", f"{folder}/x.img"], ["bench"], ["verify"],
                 ["sign", "--key", f"{folder}/none.key"], ["audit", "verify"], ["audit", "tail"]):
        yield [*argv, secret]
    yield ["who-can", secret, "sql.ddl"]
    yield ["what-can", secret, "ann"]
    yield ["diff", secret, good]
    yield ["diff", good, secret]
    yield ["diff", good, good, "--waive", secret]
    yield ["eval", secret, "--facts", "-"]
    yield ["eval", good, "--facts", secret]
    yield ["explain", secret, "--as", "human ann", "--on", "x", "select 1"]
    yield ["explain", good, "--facts", secret]
    yield ["replay", secret, "--policy", good]
    yield ["replay", folder, "--policy", secret]
    yield ["run", "--check", "-c", secret]
    yield ["doctor", "postgres", "orders", "-c", secret]
    yield ["functions", "orders", "-c", secret]
    yield ["approvals", "list", "--as", "ann", "-c", secret]
    yield ["pools", "--as", "ann", "-c", secret]
    for file in (part, catalog):
        yield ["check", file]
        yield ["check", "--json", file]


def test_nothing_is_shown():
    env = {**os.environ, "WEIR_KEY": "x"}
    good = f"{h.tmp()}/good.weir"
    with open(good, "w") as f:
        f.write(POLICY)
    bad, n = [], 0
    for name, data, parts in secrets():
        folder = f"{h.tmp()}/{re.sub('[^a-z]', '-', name.lower())}"
        os.makedirs(folder)
        secret = f"{folder}/file.weir"
        with open(secret, "wb") as f:
            f.write(data)
        os.chmod(secret, 0o600)
        for argv in commands(secret, good, folder):
            p = subprocess.run([h.WEIR, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=env, timeout=60)
            out = p.stdout.decode("latin-1")
            n += 1
            if p.returncode not in (1, 2, 3) or any(part in out for part in parts):
                bad.append(f"{name}: weir {' '.join(argv)} ({p.returncode}):\n{out[:600]}")
        with open(secret, "rb") as f:
            h.eq(f.read(), data, name)
    h.check(not bad, "\n".join(bad))
    h.check(n > 400, n)


def test_what_is_said():
    for name, text, want in (
            ("key", f"{SEED}\n", "it is a private key"),
            ("conf", "listen admin 127.0.0.1:1\n", "weir run --check -c FILE"),
            ("pw", "hunter2\n", "no line begins with a declaration")):
        path = f"{h.tmp()}/{name}.weir"
        with open(path, "w") as f:
            f.write(text)
        r = h.weir("check", path)
        h.eq(r.code, 1)
        h.has(r.err, f"error[E0307]: '{path}' is no policy: ", want, "1 error, 0 warnings")
    image = f"{h.tmp()}/x.img"
    with open(path, "w") as f:
        f.write(POLICY)
    h.eq(h.weir("build", path, "-o", image).code, 0)
    h.has(h.weir("check", image).err, "E0307", "`weir dis` prints what it holds")


h.main(test_nothing_is_shown, test_what_is_said)
