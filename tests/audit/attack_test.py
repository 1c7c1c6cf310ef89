#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Kills a loaded log and attacks finished ones.

Every attack works on a copy of a good log and must be found by `weir audit verify` with the exit
code given. The attacker here knows the format: frame checksums, trailers and seals are recomputed
where a real one would do so; what he lacks is the signing key.
"""
import base64, hashlib, json, os, re, shutil, signal, struct, subprocess, tempfile

import cases
from cases import LOAD, WEIR, test, tmp

HEADER = 4096


def run(*args):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def expect(folder, code, words="", *more):
    p = run(WEIR, "audit", "verify", *more, folder)
    assert p.returncode == code, f"exit {p.returncode}, want {code}: {p.stdout}"
    assert words in p.stdout, f"{words!r} not said: {p.stdout}"


def load(folder, *args):
    p = run(LOAD, folder, *args)
    assert p.returncode == 0, f"exit {p.returncode}: {p.stdout}"
    return folder


good_log = None


def copy():
    """A fresh copy of one good log of several segments, closed properly."""
    global good_log
    if not good_log:
        good_log = load(f"{tmp}/good", "-t", "2", "-n", "32", "-s", "0.15", "-m", "1")
        for _ in range(2):
            load(good_log, "-t", "1", "-n", "8", "-s", "0.1", "-m", "1")
        expect(good_log, 0, "intact")
        assert len(segments(good_log)) >= 3
    to = tempfile.mkdtemp(dir=tmp)
    shutil.rmtree(to)
    shutil.copytree(good_log, to)
    return to


def segments(folder):
    d = f"{folder}/audit/seg"
    return [f"{d}/{n}" for n in sorted(os.listdir(d)) if n.endswith(".alog")]


def read(path):
    with open(path, "rb") as f:
        return bytearray(f.read())


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def frames(data):
    at = HEADER
    while at + 24 <= len(data):
        n, kind = struct.unpack_from("<IB", data, at)
        if n == 0:
            break
        size = (24 + n + 7) & ~7
        yield at, size, kind, struct.unpack_from("<Q", data, at + 8)[0], bytes(data[at + 24:at + 24 + n])
        at += size


# XXH3 for the forging attacker, from the system's library.
import ctypes, ctypes.util
xx = ctypes.CDLL(ctypes.util.find_library("xxhash") or "libxxhash.so.0")
xx.XXH3_64bits_withSeed.restype = ctypes.c_uint64
xx.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
xx.XXH3_64bits.restype = ctypes.c_uint64
xx.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def frame(data, kind, index, payload):
    seed = struct.unpack_from("<Q", data, 16)[0]
    head = struct.pack("<IBBHQ", len(payload), kind, 0, 0, index)
    s = xx.XXH3_64bits_withSeed(head + payload, len(head) + len(payload), seed)
    f = head + struct.pack("<Q", s) + payload
    return f + bytes(-len(f) % 8)


class Tree:
    def __init__(self):
        self.size, self.peaks = 0, []

    def add(self, leaf):
        h, s = hashlib.sha256(b"\0" + leaf).digest(), self.size
        while s & 1:
            h = hashlib.sha256(b"\1" + self.peaks.pop() + h).digest()
            s >>= 1
        self.peaks.append(h)
        self.size += 1

    def root(self):
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        h = self.peaks[-1]
        for p in reversed(self.peaks[:-1]):
            h = hashlib.sha256(b"\1" + p + h).digest()
        return h


def forge(folder, change):
    """Rewrites the whole log with every record passed through change(index, leaf) -> leaf or None,
    all checksums, indexes, trailers, seals and headers made right again. Returns the tree."""
    tree, index = Tree(), 0
    for path in segments(folder):
        data, out, count = read(path), bytearray(), 0
        head = bytearray(data[:HEADER])
        struct.pack_into("<Q", head, 64, tree.size)
        head[80:112] = tree.root()
        peaks = b"".join(tree.peaks)
        head[112:4088] = peaks + bytes(4088 - 112 - len(peaks))
        struct.pack_into("<Q", head, 4088, xx.XXH3_64bits(bytes(head[:4088]), 4088))
        first = tree.size
        for _, _, kind, _, payload in frames(data):
            if kind == 1:
                leaf = change(index, payload)
                index += 1
                if leaf is not None:
                    out += frame(data, 1, tree.size, leaf)
                    tree.add(leaf)
                    count += 1
            elif kind == 2:
                p = struct.pack("<QQ", count, tree.size) + tree.root() + payload[48:]
                out += frame(data, 2, tree.size, p)
                count = 0
            else:
                out += frame(data, 3, tree.size, struct.pack("<Q", tree.size) + tree.root())
        os.unlink(path)
        write(f"{os.path.dirname(path)}/{first:020d}.alog", head + out)
    return tree


def flip(path, at, bit=0):
    data = read(path)
    data[at] ^= 1 << bit
    write(path, data)


@test
def bit_flips_in_every_region():
    folder = copy()
    for path in (segments(folder)[0], segments(folder)[-1]):
        data = read(path)
        fs = list(frames(data))
        places = [0, 9, 20, 40, 66, 75, 90, 120, 2000, 4090]
        for at, size, kind, _, payload in (fs[0], fs[len(fs) // 2], fs[-3], fs[-2], fs[-1]):
            places += [at, at + 4, at + 5, at + 7, at + 9, at + 17, at + 24, at + 23 + len(payload)]
            if size > 24 + len(payload):
                places.append(at + size - 1)
        places.append(next(f for f in fs if f[2] == 2)[0] + 30)
        for at in places:
            write(path, data)
            flip(path, at, at % 8)
            expect(folder, 1, "TAMPERED")
        write(path, data)
    expect(folder, 0, "intact")


@test
def bit_flips_in_heads_keys_and_origin():
    folder = copy()
    key = os.listdir(f"{folder}/audit/keys")[0]
    for name in ("checkpoint", "checkpoints.log", "origin", f"keys/{key}"):
        path = f"{folder}/audit/{name}"
        data = read(path)
        for at in range(0, len(data), max(1, len(data) // 12)):
            flip(path, at, at % 7)
            expect(folder, 1, "TAMPERED")
            write(path, data)
    expect(folder, 0, "intact")


@test
def truncation():
    folder = copy()
    last = segments(folder)[-1]
    data = read(last)
    fs = list(frames(data))
    for cut in (fs[-1][0], fs[-2][0], fs[-1][0] + 8, fs[len(fs) // 2][0], fs[-3][0] + 5, HEADER, 100, 0):
        write(last, data[:cut])
        expect(folder, 1, "TAMPERED")
    os.unlink(last)
    expect(folder, 1, "TAMPERED")


@test
def a_missing_segment():
    for i in range(len(segments(copy()))):
        folder = copy()
        os.unlink(segments(folder)[i])
        expect(folder, 1, "TAMPERED")


@test
def swapped_segments():
    folder = copy()
    a, b = segments(folder)[:2]
    x, y = read(a), read(b)
    write(a, y)
    write(b, x)
    expect(folder, 1, "its name is not the index in its header")


@test
def trailing_garbage():
    for i in (0, -1):
        folder = copy()
        path = segments(folder)[i]
        write(path, read(path) + b"\0" * 64 + b"garbage!")
        expect(folder, 1, "bytes after the seal")
    folder = copy()
    for name in ("checkpoints.log", "checkpoint"):
        path = f"{folder}/audit/{name}"
        data = read(path)
        write(path, data + b"garbage\n")
        expect(folder, 1, name)
        write(path, data)


@test
def a_stranger_among_the_segments():
    folder = copy()
    write(f"{folder}/audit/seg/00000000000000000007.alog.bak", b"")
    expect(folder, 1, "not a segment's name")


@test
def reordered_records_with_checksums_made_right():
    folder = copy()
    leaves = []
    forge(folder, lambda i, leaf: leaves.append(leaf) or leaf)
    expect(folder, 0, "intact")  # the forger changes nothing when told to change nothing
    forge(folder, lambda i, leaf: leaves[i ^ 1] if 10 <= i < 20 else leaf)
    expect(folder, 1, "not those of the signed head")


@test
def a_removed_record_with_everything_made_right():
    folder = copy()
    forge(folder, lambda i, leaf: None if i == 12 else leaf)
    expect(folder, 1, "TAMPERED")


@test
def a_changed_record_with_everything_made_right():
    folder = copy()
    forge(folder, lambda i, leaf: leaf.replace(b"planner-7", b"planner-8") if i > 4 else leaf)
    expect(folder, 1, "not those of the signed head")


def resign(folder, tree, name=None):
    """New heads by the attacker's own key, which he also puts into the folder."""
    d = f"{tmp}/attacker"
    load(d, "-s", "0.01")
    key = read(f"{d}/keys/audit.key").decode().strip()
    seed = base64.b64decode(key.rsplit("+", 1)[1] if "+" not in key.split("+", 4)[4] else key.split("+", 4)[4])[1:]
    pem = f"{d}/seed.der"
    write(pem, bytes.fromhex("302e020100300506032b657004220420") + seed)
    vkey_file = os.listdir(f"{d}/audit/keys")[0]
    origin = read(f"{folder}/audit/origin").decode().strip()
    text = f"{origin}\n{tree.size}\n{base64.b64encode(tree.root()).decode()}\n"
    write(f"{d}/text", text.encode())
    sig = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", pem, "-keyform", "DER", "-in", f"{d}/text"],
                         stdout=subprocess.PIPE, check=True).stdout
    note = f"{text}\n— {origin} {base64.b64encode(bytes.fromhex(vkey_file[:8]) + sig).decode()}\n".encode()
    for f in os.listdir(f"{folder}/audit/keys"):
        os.unlink(f"{folder}/audit/keys/{f}")
    shutil.copy(f"{d}/audit/keys/{vkey_file}", f"{folder}/audit/keys/{vkey_file}")
    write(f"{folder}/audit/checkpoint", note)
    write(f"{folder}/audit/checkpoints.log", note + b"\n")


@test
def resigned_with_another_key():
    folder = copy()
    key = f"{folder}.vkey"
    keys = f"{folder}/audit/keys"
    shutil.copy(f"{keys}/{os.listdir(keys)[0]}", key)
    expect(folder, 0, "intact", "--key-file", key)
    tree = forge(folder, lambda i, leaf: leaf.replace(b"planner-7", b"planner-8") if i > 4 else leaf)
    resign(folder, tree)
    # By the folder's own key it is whole: that is what the remark warns of.
    expect(folder, 0, "the key was taken from the folder itself")
    expect(folder, 1, "not signed by a trusted key", "--key-file", key)


@test
def rollback():
    folder = copy()
    path = f"{folder}/audit/checkpoints.log"
    notes = re.findall(rb"[^\n]+\n\d+\n[^\n]+\n\n[^\n]+\n", bytes(read(path)))
    assert len(notes) >= 3
    head = f"{folder}.head"
    write(head, notes[-1])
    expect(folder, 0, "intact", "--head", head)
    # Only the latest head is put back.
    write(f"{folder}/audit/checkpoint", notes[1])
    expect(folder, 1, "rolled back")
    # Heads and records are rolled back together: only a head kept elsewhere shows it.
    size = int(notes[1].split(b"\n")[1])
    write(path, notes[0] + b"\n" + notes[1] + b"\n")
    for s in segments(folder):
        if int(os.path.basename(s)[:20]) > size:
            os.unlink(s)
    last = segments(folder)[-1]
    data = read(last)
    end = HEADER
    for at, n, kind, index, _ in frames(data):
        if index <= size and not (kind == 1 and index == size):
            end = at + n
        else:
            break
    write(last, data[:end])
    expect(folder, 0)
    expect(folder, 1, "rolled back", "--head", head)


@test
def reordered_heads():
    folder = copy()
    path = f"{folder}/audit/checkpoints.log"
    notes = re.findall(rb"[^\n]+\n\d+\n[^\n]+\n\n[^\n]+\n", bytes(read(path)))
    write(path, b"\n".join([notes[1], notes[0]] + notes[2:]) + b"\n")
    expect(folder, 1, "rolled back")


@test
def refuses_to_start_on_a_tampered_log():
    folder = copy()
    data = read(segments(folder)[-1])
    fs = list(frames(data))
    flip(segments(folder)[-1], fs[2][0] + 30)
    p = run(LOAD, folder, "-s", "0.01")
    assert p.returncode == 1 and "integrity" in p.stdout and "weir audit verify" in p.stdout, p.stdout
    folder = copy()
    os.unlink(segments(folder)[-1])
    p = run(LOAD, folder, "-s", "0.01")
    assert p.returncode == 1 and "a head was signed for" in p.stdout, p.stdout
    folder = copy()
    os.unlink(f"{folder}/keys/audit.key")
    p = run(LOAD, folder, "-s", "0.01")
    assert p.returncode == 1 and "signing key" in p.stdout, p.stdout


@test
def what_cannot_be_read_is_told_to_who_reads():
    folder = copy()
    for args in (["export"], ["tail", "-n", "100000"]):
        p = run(WEIR, "audit", *args, folder)
        assert p.returncode == 0 and "damaged or missing" not in p.stdout, p
    path = segments(folder)[0]
    flip(path, list(frames(read(path)))[3][0] + 30)
    cut = copy()
    os.unlink(segments(cut)[-1])
    for where in (folder, cut):
        for args in (["export"], ["tail", "-n", "100000"]):
            p = run(WEIR, "audit", *args, where)
            assert p.returncode == 1 and "are damaged or missing" in p.stdout, p


@test
def torn_tail_is_incomplete_then_recovered():
    folder = f"{tmp}/torn"
    p = subprocess.Popen([LOAD, folder, "-t", "1", "-n", "4", "-s", "30", "-a"], stdout=subprocess.PIPE)
    for _ in range(50):
        p.stdout.readline()
    p.kill()
    p.communicate()
    path = segments(folder)[-1]
    data = read(path)
    end = list(frames(data))[-1]
    # Half of the next batch reached the disk.
    data[end[0] + end[1]:end[0] + end[1] + 40] = frame(data, 1, end[3], b"\xa1\x00\x01")[:20] + b"torn" * 5
    write(path, data)
    expect(folder, 2, "unfinished batch")
    load(folder, "-s", "0.05")
    expect(folder, 0, "intact")
    p = run(WEIR, "audit", "export", folder)
    recovery = [json.loads(x) for x in p.stdout.splitlines() if '"type":"recovery"' in x]
    assert len(recovery) == 1 and recovery[0]["body"]["cut_bytes"] > 0, recovery
    torn = [n for n in os.listdir(f"{folder}/audit/seg") if n.endswith(".torn")]
    assert len(torn) == 1
    got = hashlib.sha256(read(f"{folder}/audit/seg/{torn[0]}")).hexdigest()
    assert got == recovery[0]["body"]["tail_sha256"]


@test
def kill_during_load_loses_nothing_acknowledged():
    folder, acked = f"{tmp}/kill", {}
    for round_ in range(4):
        # In every other round the lanes commit by themselves.
        p = subprocess.Popen([LOAD, folder, "-t", "2", "-n", "16", "-s", "30", "-a", "-m", "1"] +
                             ["-c"] * (round_ % 2), stdout=subprocess.PIPE)
        lines = [p.stdout.readline() for _ in range(200 + 137 * round_)]
        # It verifies while it is being written.
        if round_ == 1:
            expect(folder, 0, "intact")
        p.send_signal(signal.SIGKILL)
        lines += p.communicate()[0].splitlines(True)
        for l in lines:
            if l.endswith(b"\n"):
                lane, seq = map(int, l.split())
                acked[round_, lane] = max(seq, acked.get((round_, lane), 0))
    load(folder, "-s", "0.01")
    expect(folder, 0, "intact")
    out = run(WEIR, "audit", "export", folder).stdout
    found, open_intents, round_ = set(), set(), -1
    for line in out.splitlines():
        r = json.loads(line)
        if r["type"] == "log.state" and r["body"]["state"] == "start":
            round_ += 1
        if r["type"] == "command":
            m = re.match(r"select /\* lane (\d+) sequence (\d+)", r["body"]["statement"])
            found.add((round_, int(m[1]), int(m[2])))
            open_intents.add(r["id"])
        elif r["type"] == "result":
            open_intents -= set(r["refs"])
        elif r["type"] == "recovery":
            unknown = set(r["body"].get("unknown_intents", []))
            n = len(unknown) + r["body"].get("more_unknown", 0)
            # All of them, up to what fits into a record.
            assert unknown <= open_intents and n == len(open_intents), (n, len(open_intents))
            open_intents = set()
    for (round_, lane), last in acked.items():
        for seq in range(last + 1):
            assert (round_, lane, seq) in found, f"round {round_} lane {lane}: {seq} of {last} is lost"


@test
def export_csv_cannot_be_evaluated():
    p = run(WEIR, "audit", "export", "--format", "csv", copy())
    assert p.returncode == 0
    import csv
    rows = list(csv.reader(p.stdout.splitlines()))
    assert rows[0][:4] == ["index", "time", "id", "type"] and len(rows) > 100
    assert all(len(r) == len(rows[0]) for r in rows)
    assert not any(c and c[0] in "=+-@\t\r" for r in rows for c in r)


@test
def usage_errors():
    for args in (["verify"], ["verify", f"{tmp}/none"], ["verify", "--key", "x", tmp]):
        assert run(WEIR, "audit", *args).returncode == 3, args
    for args in ([], ["bogus"], ["tail"], ["export", "--format", "xml", tmp], ["show", "ab", tmp]):
        assert run(WEIR, "audit", *args).returncode == 2, args
    assert run(WEIR, "audit", "--help").returncode == 0


cases.main()
