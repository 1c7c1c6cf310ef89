#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`weir audit prune`, and attacks on what is left of a pruned log.

The attacker knows the format and makes checksums and seals right again; what he lacks is the signing
key. Everything he does must be found with exit code 1; a pruned log as it should be has 2.
"""
import ctypes, ctypes.util, hashlib, json, os, shutil, struct, subprocess, tempfile, time

import cases
from cases import LOAD, ROOT, WEIR, test, tmp

HEADER, SEAL, PRUNED, NODES = 4096, 3, 4, 5


def weir(*args, code=0, words=""):
    p = subprocess.run([WEIR, "audit", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert p.returncode == code, f"{args}: exit {p.returncode}, want {code}: {p.stdout}"
    assert words in p.stdout, f"{args}: {words!r} not said: {p.stdout}"
    return p.stdout


def verify(folder, code, words="", *more):
    return weir("verify", *more, folder, code=code, words=words)


def load(folder, seconds="0.1"):
    subprocess.run([LOAD, folder, "-t", "2", "-n", "4", "-s", seconds, "-m", "32"], check=True,
                   stdout=subprocess.DEVNULL)
    return folder


made = {}


def log():
    """A copy of a log of four runs, each a segment, the last two later; and the head of each."""
    if not made:
        folder = f"{tmp}/whole"
        for i in range(4):
            load(folder)
            shutil.copy(f"{folder}/audit/checkpoint", f"{tmp}/head{i}")
            if i == 1:
                time.sleep(1.1)
                made["between"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
                time.sleep(1.1)
        verify(folder, 0, "intact")
        made["folder"] = folder
    to = tempfile.mkdtemp(dir=tmp)
    shutil.rmtree(to)
    shutil.copytree(made["folder"], to)
    return to


def pruned():
    """Without the first two runs."""
    folder = log()
    weir("prune", "--before", made["between"], folder, words="pruned records 0 to")
    assert len(names(folder, ".pruned")) == 2, os.listdir(f"{folder}/audit/seg")
    verify(folder, 2, "were pruned on")
    return folder


def names(folder, end):
    d = f"{folder}/audit/seg"
    return [f"{d}/{n}" for n in sorted(os.listdir(d)) if n.endswith(end)]


def read(path):
    with open(path, "rb") as f:
        return bytearray(f.read())


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


xx = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
xx.XXH3_64bits_withSeed.restype = ctypes.c_uint64
xx.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


def header(data):
    """The length of a segment's header, or of one whose zeros were left out."""
    version, first = struct.unpack_from("<H", data, 8)[0], struct.unpack_from("<Q", data, 64)[0]
    return 120 + 32 * first.bit_count() if version == 2 else HEADER


def frames(data):
    at = header(data)
    while at < len(data):
        n, kind = struct.unpack_from("<IB", data, at)
        yield kind, struct.unpack_from("<Q", data, at + 8)[0], bytes(data[at + 24:at + 24 + n])
        at += (24 + n + 7) & ~7


def assemble(data, parts):
    seed, out = struct.unpack_from("<Q", data, 16)[0], bytearray(data[:header(data)])
    for kind, index, payload in parts:
        head = struct.pack("<IBBHQ", len(payload), kind, 0, 0, index)
        s = xx.XXH3_64bits_withSeed(head + payload, len(head) + len(payload), seed)
        f = head + struct.pack("<Q", s) + payload
        out += f + bytes(-len(f) % 8)
    return out


def change(path, f):
    data = read(path)
    write(path, assemble(data, [f(*part) for part in frames(data)]))


@test
def what_is_old_goes_and_only_that():
    folder = log()
    before = names(folder, ".alog")
    weir("prune", "--older-than", "1d", folder, words="nothing to prune")
    weir("prune", "--before", made["between"], "--dry-run", folder, words="would prune records 0 to")
    assert names(folder, ".alog") == before and not names(folder, ".pruned")
    verify(folder, 0, "intact")
    sizes = sum(os.path.getsize(p) for p in before[:2])
    p = json.loads(weir("prune", "--before", made["between"], "--json", folder))
    assert p["segments"] == 2 and p["bytes"] == sizes and p["first"] == 0 and not p["dry_run"], p
    assert names(folder, ".alog")[:2] == before[2:], "others went"
    for path in names(folder, ".pruned"):
        assert os.path.getsize(path) < 1024 + 34 * p["records"], path
    v = json.loads(verify(folder, 2, "", "--json"))
    assert v["pruned"] == p["until"] == int(before[2][-25:-5]) and v["verdict"] == "incomplete", v
    said = [f["text"] for f in v["findings"] if f["severity"] == "incomplete"]
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    assert len(said) == 1 and f"by the system's user {user} (before {made['between']})" in said[0], said
    assert p["oldest"][:19] in said[0] and p["newest"][:19] in said[0], (p, said)
    record = [r for r in map(json.loads, weir("export", folder).splitlines()[1:])
              if r["type"] == "retention.prune"]
    assert len(record) == 1 and record[0]["body"]["until"] == p["until"], record
    assert [s["first"] for s in record[0]["body"]["segments"]] == [0, int(before[1][-25:-5])]
    for s, path in zip(record[0]["body"]["segments"], before):
        assert s["sha256"] == hashlib.sha256(read(f"{made['folder']}/audit/seg/{os.path.basename(path)}")).hexdigest()
    assert record[0]["principal"]["subject"] == user, record


@test
def the_log_goes_on_and_can_be_pruned_again():
    folder = pruned()
    load(folder)
    verify(folder, 2, "were pruned on")
    weir("prune", "--older-than", "0s", folder, words="pruned records")
    out = verify(folder, 2)
    assert out.count("were pruned on") == 2, out
    load(folder)
    verify(folder, 2)


@test
def heads_from_before_still_bind_the_log():
    folder = pruned()
    for i in range(4):
        out = verify(folder, 2, "were pruned on", "--head", f"{tmp}/head{i}")
        assert "cannot be compared" not in out, out
    # One that this log never had.
    other = load(f"{tmp}/other")
    out = verify(folder, 1, "TAMPERED", "--head", f"{other}/audit/checkpoint")


@test
def readers_say_what_is_missing():
    folder = pruned()
    missing = "are not here: they were pruned"
    first = weir("export", made["folder"]).splitlines()[0]
    weir("tail", "-n", "100000", folder, words=missing)
    assert "pruned (" not in weir("tail", "-n", "3", folder)
    weir("show", json.loads(first)["id"], folder, code=1, words=missing)
    weir("export", folder, words=missing)
    assert missing not in weir("export", "--from", made["between"], folder)
    p = subprocess.run([WEIR, "replay", f"{folder}", "--policy", f"{ROOT}/policies-examples/orders.weir"],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert missing in p.stdout and p.returncode in (0, 1), (p.returncode, p.stdout)


@test
def a_flipped_bit_in_what_is_left():
    folder = pruned()
    for path in names(folder, ".pruned"):
        data = read(path)
        for at in [*range(0, header(data), 7), *range(header(data), len(data), 41), len(data) - 1]:
            bad = bytearray(data)
            bad[at] ^= 1 << at % 8
            write(path, bad)
            verify(folder, 1, "TAMPERED")
        for cut in (0, 8, 9, 100, 112, header(data) - 8, header(data), len(data) - 64, len(data) - 1):
            write(path, data[:cut])
            verify(folder, 1, "TAMPERED")
        write(path, data + bytes(8))
        verify(folder, 1, "TAMPERED")
        write(path, data)
    verify(folder, 2)


@test
def another_story_with_checksums_made_right():
    """When, by whom, why, how much: told by the files, bound by the record."""
    for at in (8, 16, 24, 32, 40, 48, 80, 116):
        folder = pruned()

        def lie(kind, index, payload):
            if kind == PRUNED:
                payload = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:]
            return kind, index, payload

        change(names(folder, ".pruned")[1], lie)
        verify(folder, 1, "is not what" if at != 80 else "TAMPERED")


@test
def other_hashes_with_checksums_made_right():
    folder = pruned()

    def flip(kind, index, payload):
        return kind, index, bytes([*payload[:-1], payload[-1] ^ (kind == NODES)])

    change(names(folder, ".pruned")[0], flip)
    verify(folder, 1, "TAMPERED")


@test
def more_is_gone_than_the_record_says():
    folder = pruned()
    victim = names(folder, ".alog")[0]
    # As a prune would: with what is left of it, as the last one says.
    last = read(names(folder, ".pruned")[1])
    data = read(victim)
    tree = [p for p in frames(last)]
    write(victim[:-5] + ".pruned", assemble(data, [(PRUNED, int(victim[-25:-5]), tree[0][2]), *tree[1:]]))
    os.unlink(victim)
    verify(folder, 1, "TAMPERED")
    # Or without.
    folder = pruned()
    os.unlink(names(folder, ".alog")[0])
    verify(folder, 1, "records before it are missing")


@test
def what_older_versions_left():
    """Their headers have their zeros; the log goes on behind them and can be pruned again."""
    folder = tempfile.mkdtemp(dir=tmp)
    subprocess.run(["tar", "-xzf", f"{ROOT}/tests/audit/pruned-0.1.tar.gz", "-C", folder], check=True)
    old = names(folder, ".pruned")
    assert [header(read(p)) for p in old] == [HEADER] * 2
    verify(folder, 2, "records 0 to 108")
    load(folder)
    weir("prune", "--older-than", "0s", folder, words="pruned records 109 to")
    now = names(folder, ".pruned")
    assert now[:2] == old and [header(read(p)) < 700 for p in now] == [False, False, *[True] * (len(now) - 2)]
    assert len(now) > 2
    verify(folder, 2, "records 0 to 108")
    data = read(old[0])
    for at in range(0, len(data), 97):
        write(old[0], data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
        verify(folder, 1, "TAMPERED")
    # Without its zeros it is another file than the one that the next names.
    end = header(b"\0" * 8 + b"\2\0" + data[10:])
    write(old[0], data[:8] + b"\2\0" + data[10:end - 8] + data[HEADER - 8:])
    verify(folder, 1, "TAMPERED")


@test
def what_is_left_is_gone_too():
    for i in (0, 1):
        folder = pruned()
        os.unlink(names(folder, ".pruned")[i])
        verify(folder, 1, "TAMPERED")
    folder = pruned()
    for p in names(folder, ".pruned"):
        os.unlink(p)
    verify(folder, 1, "records 0 to")


@test
def swapped_and_from_another_log():
    folder, other = pruned(), pruned()
    a, b = names(folder, ".pruned")
    da, db = read(a), read(b)
    write(a, db)
    write(b, da)
    verify(folder, 1, "TAMPERED")
    write(a, da)
    write(b, read(names(other, ".pruned")[1]))
    verify(folder, 1, "is not what is left of the log")


@test
def what_does_not_verify_is_not_pruned():
    folder = log()
    path = names(folder, ".alog")[1]
    data = read(path)
    data[HEADER + 200] ^= 1
    write(path, data)
    out = weir("prune", "--older-than", "0s", folder, code=1, words="Keep the folder as evidence")
    assert os.path.exists(path) and "pruned records 0 to" in out, out
    verify(folder, 1, "TAMPERED")


@test
def beside_a_gateway_it_is_refused():
    folder = log()
    p = subprocess.Popen([LOAD, folder, "-t", "1", "-n", "1", "-s", "20", "-m", "1", "-a"], stdout=subprocess.PIPE)
    p.stdout.readline()
    weir("prune", "--older-than", "0s", folder, code=2, words="a gateway is using this log")
    weir("prune", "--older-than", "0s", "--dry-run", folder, words="would prune")
    p.kill()
    p.wait()
    weir("prune", "--older-than", "0s", folder, words="pruned records 0 to")
    verify(folder, 2)


@test
def usage_errors():
    folder = log()
    for args in ([folder], ["--older-than", "400", folder], ["--older-than", "d", folder],
                 ["--older-than", "-1d", folder], ["--older-than", "40000d", folder],
                 ["--older-than", "1d"], ["--before", "tomorrow", folder], ["--before", "2999-01-01", folder],
                 ["--before", "2020-01-01", "--older-than", "1d", folder], ["--older-than", "1d", folder, folder], ["--older-than"],
                 ["--older-than", "1d", f"{tmp}/nowhere"], ["--frob", folder]):
        weir("prune", *args, code=2)
    verify(folder, 0)


cases.main()
