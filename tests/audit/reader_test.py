#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reading a log: every durable record once and in order, whatever the size of the segments, while it is written, and
without keeping a segment in memory."""
import json, os, shutil, subprocess, time

import cases
from cases import LOAD, WEIR, test, tmp

MIB = 1 << 20


def load(folder, *args):
    subprocess.run([LOAD, folder, *args], check=True, stdout=subprocess.DEVNULL)
    return f"{folder}/audit"


def records(folder):
    r = subprocess.run([WEIR, "audit", "verify", "--json", folder], stdout=subprocess.PIPE, text=True)
    assert r.returncode == 0, r
    return json.loads(r.stdout)["records"]


def exported(folder):
    """The indexes, and the most memory that it took, in bytes."""
    p = subprocess.Popen([WEIR, "audit", "export", folder], stdout=subprocess.PIPE, text=True)
    indexes = [int(line[10:line.index(",")]) for line in p.stdout]
    _, status, used = os.wait4(p.pid, 0)
    assert status == 0, status
    return indexes, used.ru_maxrss << 10


@test
def each_record_once_and_in_order():
    for args in (("-m", "1", "-b", "20"), ("-m", "1", "-b", "8000", "-n", "64"), ("-m", "64", "-b", "8000", "-n", "64")):
        folder = load(f"{tmp}/{'-'.join(args)}", "-t", "2", "-s", "0.3", *args)
        indexes, _ = exported(folder)
        assert indexes == list(range(records(folder))), args


@test
def a_large_segment_is_not_kept_in_memory():
    folder, seconds = f"{tmp}/large", 0.5
    while not os.path.exists(folder) or os.path.getsize(largest(folder)) < 40 * MIB:
        shutil.rmtree(folder, ignore_errors=True)
        load(folder, "-t", "2", "-n", "64", "-b", "8000", "-m", "512", "-s", str(seconds))
        seconds *= 2
        assert seconds < 60, "a disk this slow"
    indexes, used = exported(folder)
    assert indexes == list(range(records(folder)))
    assert used < 24 * MIB or "asan" in WEIR, f"{used >> 20} MiB for a segment of {os.path.getsize(largest(folder)) >> 20}"


def largest(folder):
    d = f"{folder}/audit/seg"
    return max((f"{d}/{n}" for n in os.listdir(d)), key=os.path.getsize)


@test
def who_follows_it_reads_each_byte_once():
    """... but for the two passes with which it begins."""
    folder = f"{tmp}/large/audit"
    size = os.path.getsize(largest(f"{tmp}/large"))
    assert len(os.listdir(f"{folder}/seg")) == 1, "it is the last one too"
    p = subprocess.Popen([WEIR, "audit", "tail", "-f", "-n", "1", "--json", folder], stdout=subprocess.PIPE, text=True)
    line = p.stdout.readline()
    time.sleep(2)
    with open(f"/proc/{p.pid}/io") as f:
        took = int(f.readline().split()[1])
    p.terminate()
    p.wait()
    assert json.loads(line)["type"] == "log.state", line
    assert took < 2 * size + 30 * MIB, f"{took >> 20} MiB read of {size >> 20}"


@test
def while_it_is_written():
    folder = load(f"{tmp}/growing", "-t", "1", "-s", "0.1")
    out = f"{tmp}/followed"
    with open(out, "w") as f:
        p = subprocess.Popen([WEIR, "audit", "tail", "-f", "-n", "3", "--json", folder], stdout=f)
    time.sleep(0.5)
    load(f"{tmp}/growing", "-t", "2", "-s", "1.5", "-m", "1", "-b", "200")
    n, until = records(folder), time.time() + 20
    while time.time() < until and not (last := tail(out)) == n - 1:
        time.sleep(0.1)
    p.terminate()
    p.wait()
    with open(out) as f:
        indexes = [json.loads(line)["_index"] for line in f]
    assert last == n - 1, (last, n)
    assert indexes == list(range(indexes[0], n)), "each once and in order"


def tail(path):
    with open(path, "rb") as f:
        f.seek(max(0, os.path.getsize(path) - 65536))
        lines = f.read().split(b"\n")
    return json.loads(lines[-2])["_index"] if len(lines) > 2 else -1


cases.main()
