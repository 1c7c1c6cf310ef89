#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The log keeps the policies it speaks of: each image that came into force is there, whole, for as long as the log is,
and what cannot be kept does not come into force."""
import calendar, ctypes, ctypes.util, hashlib, json, os, random, shutil, struct, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

FIRST = 'policy first "what was allowed at first"\nallow reading do sql.select, sql.basics\n'
SECOND = "policy second\nallow reading do sql.select, sql.basics\nallow writing do sql.insert\n"
pg = None


def setup():
    global pg
    pg = h.Postgres(sql="create table t (a int); grant all on t to app")


def put(w, text):
    with open(w.policy, "w") as f:
        f.write(text)


def reload(w, text, n):
    put(w, text)
    w.reload()
    w.logged("reloaded ", n)


def folder(w):
    return f"{w.state}/audit/policies"


def kept(w):
    return sorted(os.listdir(folder(w)))


def loads(w):
    r = w.audit("export", w.state)
    return [x["body"] for x in map(json.loads, r.out.splitlines())
            if x["type"] == "policy.load" and x["body"]["outcome"] == "loaded"]


def verify(w, code, *words):
    r = w.audit("verify", w.state)
    h.eq(r.code, code, repr(r))
    h.has(r.out, *words)
    return r.out


def test_every_policy_that_was_in_force_is_there():
    w = h.Weir(pg, FIRST)
    h.eq(w.psql("select 1").out, "1")
    reload(w, SECOND, 1)
    between = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    time.sleep(2.1)
    h.eq(w.psql("insert into t values (1)").code, 0)
    reload(w, FIRST, 2)
    h.check("WEIR" in w.psql("insert into t values (2)").err, "the first policy is in force again")
    h.eq(w.stop(), 0)
    w.start()
    h.eq(w.stop(), 0)
    digests = [x["new_digest"] for x in loads(w)]
    h.eq(len(digests), 4)
    h.eq(kept(w), sorted({d + ".weirb" for d in digests}))
    h.eq({os.stat(f"{folder(w)}/{f}").st_mode & 0o777 for f in kept(w)}, {0o600})
    h.check(all(x["kept"] for x in loads(w)), loads(w))
    h.has(verify(w, 0), "intact")
    first, second = digests[0], digests[1]

    r = w.audit("policy", w.state)
    h.eq([x.split()[0] for x in r.out.splitlines()], digests)
    r = w.audit("policy", first[:8], w.state)
    h.eq(r.code, 0, repr(r))
    h.has(r.out, f"# policy first, digest {first}\n# not signed\n", FIRST.rstrip())
    h.eq(r.out.count("# in force from "), 3)
    checked = h.weir("check", "-", input=r.out)
    h.eq(checked.code, 0, f"what it prints is the policy again: {checked}")
    r = w.audit("policy", "--at", between, "--json", w.state)
    then = r.json()
    h.eq((then["policy"], then["digest"], then["signed_by"]), ("second", second, None))
    h.eq(then["files"][0]["text"], SECOND)
    h.eq(len(then["in_force"]), 1)
    for line in w.audit("policy", "--json", w.state).out.splitlines():
        span = json.loads(line)
        r = w.audit("policy", "--json", "--at", span["from"], w.state)
        h.eq(r.code, 0, f"the time that the list shows: {r}")
        h.check(r.json()["digest"] == span["digest"] or "more than one" in r.err, repr(r))
    h.eq(w.audit("policy", "--at", "1970-01-01", w.state).code, 1)
    ids = {x["body"]["statement"]: x["id"] for x in map(json.loads, w.audit("export", w.state).out.splitlines())
           if x["type"] == "command"}
    h.has(w.audit("policy", "--record", ids["insert into t values (1)"], w.state).out, SECOND.rstrip())
    h.has(w.audit("policy", "--record", ids["insert into t values (2)"], w.state).out, FIRST.rstrip())

    for args, code, text in ((("--at", "2001-01-01"), 1, "no policy was in force then, as the log says\n  `weir audit policy FOLDER` lists"),
                             (("0" * 64,), 1, "no policy whose digest begins with"),
                             (("--record", "ffffffff"), 1, "no record whose id begins"),
                             (("abc",), 2, "at least 4"), (("--at", "noon"), 2, "not a time"),
                             (("--at", "2026-01-01", first), 2, "one of a digest")):
        r = w.audit("policy", *args, w.state)
        h.eq(r.code, code, repr(r))
        h.has(r.err, text)
    same = os.path.commonprefix(list(ids.values()))
    r = w.audit("policy", "--record", same, w.state)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, f"more than one record whose id begins with {same}\n  give more of it")
    h.has(w.audit("show", same, w.state).err, f"more than one record whose id begins with {same}; give more of it")
    r = w.audit("policy", f"{w.dir}/nothing")
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "no audit log here (No such file or directory)\n  name the gateway's state folder")


def signed(w, *args):
    r = h.weir("build", w.policy, "-o", f"{w.dir}/p.img", "--counter", "3", *args)
    h.eq(r.code, 0, repr(r))


def test_a_signed_one_is_kept_with_its_signature():
    w = h.Weir(pg, FIRST, start=False)
    signed(w, "--key", f"{w.dir}/key")
    signer = h.weir("sign", "--public", f"{w.dir}/key").out.strip()
    w.edit((f'policy           "{w.policy}"', f'policy "p.img" signed-by "{signer}"'))
    w.start()
    h.eq(w.stop(), 0)
    file = f"{folder(w)}/{kept(w)[0]}"
    with open(f"{w.dir}/p.img", "rb") as f, open(file, "rb") as g:
        image = f.read()
        h.eq(g.read(), image)
    h.eq(loads(w)[0]["signed_by"], signer)
    h.has(w.audit("policy", kept(w)[0][:64], w.state).out, f"# signed by {signer}, counter 3")
    verify(w, 0)
    # Without it, or with another's, it is not what was loaded.
    for args, text in (((), "the signature is gone"), (("--key", f"{w.dir}/other"), "signed by another key")):
        signed(w, *args)
        shutil.copy(f"{w.dir}/p.img", file)
        verify(w, 1, text)
    with open(f"{w.dir}/p.img", "wb") as f:
        f.write(image)
    signed(w)
    shutil.copy(f"{w.dir}/p.img", file)
    with open(f"{w.dir}/p.img", "wb") as f:
        f.write(image)
    w.start()
    h.eq(w.stop(), 0)
    verify(w, 0)
    with open(file, "rb") as f:
        h.eq(f.read(), image, "the next start puts the signature back")


def test_signed_by_one_then_by_another():
    w = h.Weir(pg, FIRST, start=False)
    keys = []
    for key in ("one", "other"):
        signed(w, "--key", f"{w.dir}/{key}")
        keys.append(h.weir("sign", "--public", f"{w.dir}/{key}").out.strip())
    w.edit((f'policy           "{w.policy}"', f'policy "p.img" signed-by "{keys[0]}", "{keys[1]}"'))
    for key in ("one", "other"):
        signed(w, "--key", f"{w.dir}/{key}")
        time.sleep(1.1)
        between = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        w.start()
        h.eq(w.stop(), 0)
    h.eq([x["signed_by"] for x in loads(w)], keys)
    h.eq([x["kept_signed_by"] for x in loads(w)], [keys[0]] * 2)
    verify(w, 0)
    r = w.audit("prune", "--before", between, w.state)
    h.eq(r.code, 0, repr(r))
    h.eq(len(loads(w)), 1, "the first one's load is gone")
    h.lacks(verify(w, 2, "were pruned on"), "policies/")
    file = f"{folder(w)}/{kept(w)[0]}"
    shutil.copy(f"{w.dir}/p.img", file)
    verify(w, 1, "signed by another key")


def test_what_is_damaged_or_gone_is_told():
    w = h.Weir(pg, FIRST)
    reload(w, SECOND, 1)
    h.eq(w.stop(), 0)
    first, second = (f"{folder(w)}/{x['new_digest']}.weirb" for x in loads(w))
    with open(second, "rb") as f:
        whole = f.read()
    broken = bytearray(whole)
    broken[len(broken) // 2] ^= 1
    for bad in (broken, whole[:-1], whole + b"x", b"", open(first, "rb").read()):
        with open(second, "wb") as f:
            f.write(bad)
        verify(w, 1, f"policies/{os.path.basename(second)}: not ")
        r = w.audit("policy", os.path.basename(second)[:64], w.state)
        h.eq((r.code, r.out), (1, ""), repr(r))
    w.start()  # it is in force again, and so it is put right
    h.eq(w.stop(), 0)
    verify(w, 0)
    with open(second, "rb") as f:
        h.eq(f.read(), whole)
    os.unlink(first)
    verify(w, 2, f"incomplete: policies/{os.path.basename(first)} is not there", "loaded on")
    h.has(w.audit("policy", w.state).out, ", not kept")
    shutil.rmtree(folder(w))
    h.eq(verify(w, 2).count("is not there"), 2)


def test_what_cannot_be_kept_does_not_come_into_force():
    w = h.Weir(pg, FIRST)
    os.rename(folder(w), f"{folder(w)}.away")
    with open(folder(w), "w"):
        pass
    put(w, SECOND)
    w.reload()
    h.has(w.logged("reload refused"), "cannot keep the policy in", "Not a directory")
    h.check(w.psql("insert into t values (3)").code != 0, "the first policy stays in force")
    h.eq(w.psql("select 1").out, "1")
    h.eq(w.stop(), 0)
    w.start(wait=False)
    h.eq(w.p.wait(20), 1)
    h.has(w.log(), "cannot keep the policy in")
    os.unlink(folder(w))
    os.rename(f"{folder(w)}.away", folder(w))
    verify(w, 0)
    with open(f"{folder(w)}/{'a' * 64}.weirb.tmp", "wb") as f:
        f.write(b"half")  # as a crash leaves it
    w.start()
    h.eq(w.psql("insert into t values (3)").code, 0)
    h.eq(w.stop(), 0)
    verify(w, 0)


def test_killed_at_any_time_nothing_is_missing():
    w = h.Weir(pg, FIRST, start=False)
    for i in range(5):
        put(w, FIRST)
        w.start()
        for n in range(random.randrange(1, 6)):
            put(w, SECOND + f"allow run-{i}-{n} do sql.delete\n")
            w.reload()
            time.sleep(random.uniform(0, 0.03))
        w.kill()
        r = w.audit("verify", w.state)
        h.check(r.code in (0, 2), repr(r))
        h.lacks(r.out, "policies/")
    w.start()
    h.eq(w.stop(), 0)
    verify(w, 0)
    for load in loads(w):
        with open(f"{folder(w)}/{load['new_digest']}.weirb", "rb") as f:
            h.check(load["new_digest"] in hashlib.sha256(body(f.read())).hexdigest(), load)


def test_what_was_pruned_stays_explained():
    w = h.Weir(pg, FIRST)
    h.eq(w.psql("select 41 + 1").out, "42")
    h.eq(w.stop(), 0)
    digest = loads(w)[0]["new_digest"]
    shutil.copytree(w.state, f"{w.dir}/copy")
    r = w.audit("prune", "--older-than", "0s", w.state)
    h.eq(r.code, 0, repr(r))
    verify(w, 2, "were pruned on")
    h.eq(w.audit("policy", w.state).out, f"{digest} is kept, and no record that is left says when it was in force")
    h.eq(w.audit("policy", "--json", w.state).json(), {"digest": digest, "kept": True})
    h.has(w.audit("policy", digest, w.state).out, FIRST.rstrip())
    r = w.audit("policy", "--at", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()), w.state)
    h.eq(r.code, 1, repr(r))
    # Of a run whose first records are gone, as when it was long enough for several segments.
    w.state = f"{w.dir}/copy"
    without_the_first(f"{w.state}/audit/seg/{0:020}.alog", 4)
    r = w.audit("policy", w.state)
    h.has(r.out, f"{digest} before ", " until ")
    h.lacks(r.out, "record ")
    h.has(w.audit("policy", "--json", w.state).out, '"before":"20', '"kept":true')


def without_the_first(path, n):
    """A segment that begins with the record n, a power of two: the reader does not ask for the tree."""
    xx = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
    xx.XXH3_64bits.restype = ctypes.c_uint64
    xx.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    with open(path, "rb") as f:
        data = f.read()
    os.unlink(path)
    at = 4096
    while struct.unpack_from("<Q", data, at + 8)[0] < n or data[at + 4] != 1:
        at += (24 + struct.unpack_from("<I", data, at)[0] + 7) & ~7
    head = data[:64] + struct.pack("<Q", n) + data[72:80] + bytes(4008)
    with open(f"{os.path.dirname(path)}/{n:020}.alog", "wb") as f:
        f.write(head + struct.pack("<Q", xx.XXH3_64bits(head, len(head))) + data[at:])


def test_what_it_shows_cannot_hide():
    w = h.Weir(pg, FIRST, start=False)
    with open(w.policy, "wb") as f:
        f.write(FIRST.encode() + b"# \x1b[2J allow all \r# harmless\r\n")
    w.start()
    h.eq(w.stop(), 0)
    with open(f"{w.dir}/out", "wb") as f:
        h.subprocess.run([h.WEIR, "audit", "policy", kept(w)[0][:64], w.state], stdout=f, check=True)
    with open(f"{w.dir}/out", "rb") as f:
        h.check(f.read().endswith(b"# \\u001b[2J allow all \\u000d# harmless\r\n"), "escaped")
    with open(f"{folder(w)}/evil\x1b[2J\n", "w"):
        pass
    h.has(verify(w, 0), "note: policies/evil\\u001b[2J\\n: not a policy's name\n")
    os.rename(f"{folder(w)}/evil\x1b[2J\n", f"{w.state}/audit/seg/evil\x1b[2J")
    h.has(verify(w, 1), "seg/evil\\u001b[2J: not a segment's name")
    h.has(w.audit("policy", w.state).err, "seg/evil\\u001b[2J: ")


def test_a_clock_that_was_set_back():
    w = h.Weir(pg, FIRST)
    time.sleep(1.1)
    h.eq(w.psql("select 1").code, 0)
    time.sleep(1.1)
    reload(w, SECOND, 1)
    h.eq(w.stop(), 0)
    when = [x["time"] for x in map(json.loads, w.audit("export", w.state).out.splitlines())
            if x["type"] in ("command", "policy.load")]
    set_back(f"{w.state}/audit/seg/{0:020}.alog", when[2], 3600)
    first, second = (json.loads(x) for x in w.audit("policy", "--json", w.state).out.splitlines())
    h.check(second["from"] < first["from"] < first["until"], (first, second))
    r = w.audit("policy", "--at", when[1][:19], w.state)
    h.eq(r.code, 0, repr(r))
    h.has(r.out, SECOND.rstrip())
    h.has(r.err, "more than one was in force at that time")


def set_back(path, when, seconds):
    """The one record of this time: the reader does not ask for the tree."""
    ns = calendar.timegm(time.strptime(when[:19], "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(when[20:29])
    xx = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
    xx.XXH3_64bits_withSeed.restype = ctypes.c_uint64
    xx.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    with open(path, "rb") as f:
        data = f.read()
    seed, at = struct.unpack_from("<Q", data, 16)[0], 4096
    while struct.pack(">Q", ns) not in data[at:at + 24 + struct.unpack_from("<I", data, at)[0]]:
        at += (24 + struct.unpack_from("<I", data, at)[0] + 7) & ~7
    end = at + 24 + struct.unpack_from("<I", data, at)[0]
    leaf = data[at + 24:end].replace(struct.pack(">Q", ns), struct.pack(">Q", ns - seconds * 10**9), 1)
    head = data[at:at + 16]
    frame = head + struct.pack("<Q", xx.XXH3_64bits_withSeed(head + leaf, len(head + leaf), seed)) + leaf
    with open(path, "wb") as f:
        f.write(data[:at] + frame + data[end:])


def body(image):
    """Of an image that is not signed: {0: "weir-image", 1: body}."""
    at = image.index(b"weir-image") + 11
    size = {0x58: 1, 0x59: 2, 0x5a: 4}[image[at]]
    return image[at + 1 + size:]


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
