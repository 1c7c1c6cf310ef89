#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir sign and weir verify: a key made, an image of another machine signed, and told apart from what is
not signed, signed by others, older, or changed."""
import json, os, stat, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
POLICY = 'policy p\nallow read do sql.select\ntest "t" as human "a" on "d" run "select 1" expect allow by read\n'


def path(name):
    return f"{h.tmp()}/{name}"


def data(name):
    with open(path(name), "rb") as f:
        return f.read()


def build(image, *argv):
    with open(path("p.weir"), "w") as f:
        f.write(POLICY)
    r = h.weir("build", path("p.weir"), "-o", path(image), *argv)
    h.eq(r.code, 0, repr(r))


def verify(image, *argv):
    r = h.weir("verify", path(image), "--json", *argv)
    return r.code, json.loads(r.out) if r.out else None, r.err


def new_key(name):
    r = h.weir("sign", "--new-key", path(name))
    h.eq(r.code, 0, repr(r))
    return r.out.strip()


def test_keys():
    public = new_key("a.key")
    h.check(len(public) == 64 and public not in data("a.key").decode(), public)
    h.eq(stat.S_IMODE(os.stat(path("a.key")).st_mode), 0o600)
    h.eq(h.weir("sign", "--public", path("a.key")).out.strip(), public)
    before = data("a.key")
    r = h.weir("sign", "--new-key", path("a.key"))
    h.eq((r.code, data("a.key")), (2, before), "a key that is there was overwritten")
    os.chmod(path("a.key"), 0o644)
    r = h.weir("sign", "--public", path("a.key"))
    h.eq(r.code, 2)
    h.has(r.err, "others can read the key file", "chmod 600")
    os.chmod(path("a.key"), 0o600)
    build("keyed.img", "--key", path("a.key"))
    h.eq(verify("keyed.img")[1]["signed_by"], public)


def test_signs_what_was_built():
    public = new_key("b.key")
    build("plain.img", "--counter", "7")
    before, plain = data("plain.img"), verify("plain.img")
    h.eq((plain[0], plain[1]["signed_by"]), (1, None))
    r = h.weir("sign", path("plain.img"), "--key", path("b.key"), "-o", path("signed.img"))
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "policy p, counter 7, signed by " + public)
    h.lacks(r.out + r.err, data("b.key").decode().strip())
    h.eq(data("plain.img"), before, "-o leaves the image as it was")
    code, said, _ = verify("signed.img")
    h.eq((code, said), (0, {**plain[1], "signed_by": public}), "only the signature is new")
    build("once.img", "--counter", "7", "--key", path("b.key"))
    h.eq(data("signed.img"), data("once.img"), "signing is as building with the key")
    h.eq(h.weir("sign", path("plain.img"), "--key", path("b.key")).code, 0)
    h.eq(data("plain.img"), data("signed.img"), "in place")
    h.eq([n for n in os.listdir(h.tmp()) if ".tmp" in n], [])


def test_signs_again():
    first, second = new_key("c.key"), new_key("d.key")
    build("twice.img", "--key", path("c.key"), "--counter", "3")
    h.eq(verify("twice.img")[1]["signed_by"], first)
    h.eq(h.weir("sign", path("twice.img"), "--key", path("d.key")).code, 0)
    h.eq(verify("twice.img")[1]["signed_by"], second)


def test_who_signed():
    mine, other = new_key("e.key"), new_key("f.key")
    build("e.img", "--key", path("e.key"), "--counter", "5")
    h.eq(verify("e.img", "--signed-by", mine)[0], 0)
    h.eq(verify("e.img", "--signed-by", other, "--signed-by", mine)[0], 0)
    code, said, err = verify("e.img", "--signed-by", other)
    h.eq((code, said["signed_by"]), (1, mine))
    h.has(err, "V0107", "not among the trusted ones")
    h.eq(verify("e.img", "--min-counter", "5")[0], 0)
    code, _, err = verify("e.img", "--min-counter", "6")
    h.eq(code, 1)
    h.has(err, "V0108")
    r = h.weir("verify", path("e.img"))
    h.eq(r.code, 0)
    h.has(r.out, "policy p, 1 rules, 1 tests and proofs passed when it was built", "digest     ",
          "1 file: p.weir", "counter    5", f"signed by  {mine}")


def test_changed_images():
    new_key("g.key")
    build("g.img", "--key", path("g.key"))
    good = data("g.img")
    for at in range(0, len(good), max(1, len(good) // 60)):
        with open(path("bad.img"), "wb") as f:
            f.write(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        r = h.weir("verify", path("bad.img"))
        h.check(r.code in (1, 2), f"byte {at}: {r!r}")
        h.eq(h.weir("sign", path("bad.img"), "--key", path("g.key")).code, r.code, f"byte {at}")
    with open(path("bad.img"), "wb") as f:
        f.write(good[:-1])
    h.eq(h.weir("verify", path("bad.img")).code, 1)


def test_counter():
    new_key("h.key")
    build("h.img")
    r = h.weir("sign", path("h.img"), "--key", path("h.key"))
    h.eq(r.code, 0)
    h.has(r.err, "its counter is 0", "--counter N")


def test_what_is_no_file_is_written_into():
    """Nothing takes the place of a device, a pipe or a link; and what was cut short is no image."""
    build("whole.img")
    full, pipe, link = path("full"), path("pipe"), path("link.img")
    os.symlink("/dev/full", full)
    r = h.weir("build", path("p.weir"), "-o", full)
    h.eq((r.code, r.err), (2, f"weir build: cannot write '{full}': No space left on device"))
    os.mkfifo(pipe)
    p = subprocess.Popen([h.WEIR, "build", path("p.weir"), "-o", pipe], stdout=subprocess.DEVNULL)
    with open(pipe, "rb") as f:
        h.eq(f.read(), data("whole.img"))
    h.eq(p.wait(), 0)
    h.check(os.path.islink(full) and stat.S_ISFIFO(os.stat(pipe).st_mode), "something was replaced")
    h.eq(h.weir("build", path("p.weir"), "-o", h.tmp()).code, 2)
    p = subprocess.run([h.WEIR, "build", path("p.weir"), "-o", "/dev/stderr"], capture_output=True)
    h.eq((p.returncode, p.stderr), (0, data("whole.img")))
    os.symlink("whole.img", link)
    new_key("link.key")
    h.eq(h.weir("sign", link, "--key", path("link.key")).code, 0)
    h.check(os.path.islink(link), "the link is one still")
    h.eq(verify("whole.img")[0], 0)


def test_usage():
    build("u.img")
    new_key("u.key")
    for argv in (["sign"], ["sign", path("u.img")], ["sign", path("u.img"), "--key"],
                 ["sign", path("u.img"), "--key", path("none.key")], ["sign", path("p.weir"), "--key", path("u.key")],
                 ["sign", "--new-key", path("x.key"), path("u.img")],
                 ["sign", path("u.img"), "--key", path("u.img")],
                 ["sign", path("u.img"), path("u.img"), "--key", path("u.key")],
                 ["verify"], ["verify", path("none")], ["verify", path("p.weir")],
                 ["verify", path("u.img"), "--signed-by", "abc"], ["verify", path("u.img"), "--min-counter", "x"],
                 ["verify", path("u.img"), "--nonsense"]):
        r = h.weir(*argv)
        h.eq(r.code, 2, argv)
        h.check(r.err.startswith(f"weir {argv[0]}: ") and not r.out, f"{argv}: {r!r}")
    h.check(not os.path.exists(path("none.key")), "sign makes no key unasked")


h.main(test_keys, test_signs_what_was_built, test_signs_again, test_who_signed, test_changed_images,
       test_counter, test_what_is_no_file_is_written_into, test_usage)
