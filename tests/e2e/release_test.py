#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""packaging/release.sh, in a copy of the tree: the binary that people install is made by the same
sources, with a profile, and does what the other one does."""
import os, subprocess, sys

import harness as h


def copy_of_the_tree():
    folder = f"{h.tmp()}/tree"
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=h.ROOT, stdout=subprocess.PIPE, check=True).stdout
    names = b"\0".join(n for n in names.split(b"\0") if n and os.path.exists(n))
    os.mkdir(folder)
    pack = subprocess.Popen(["tar", "--null", "-T", "-", "-cf", "-"], cwd=h.ROOT,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    unpack = subprocess.Popen(["tar", "-xf", "-"], cwd=folder, stdin=pack.stdout)
    pack.stdin.write(names)
    pack.stdin.close()
    h.eq((pack.wait(60), unpack.wait(60)), (0, 0))
    return folder


def test_release():
    tree = copy_of_the_tree()
    r = h.run(["sh", "-c", f"cd {tree} && ./configure WERROR=no && packaging/release.sh"], timeout=900)
    h.eq(r.code, 0, r.out[-2000:] + r.err[-2000:])
    h.has(r.out, "train.py: the profile is written")
    h.WEIR = f"{tree}/build/release/weir"
    pg = h.Postgres(sql="create table t (id int, card text); insert into t values (1, '4111111111111111')")
    w = h.Weir(pg, policy='policy p\ndefault allow\ndata card = column public.t.card\n'
                          'mask card with last(4)\ndeny ddl do sql.ddl\n')
    r = w.psql("select card from t")
    h.eq(r.out.strip(), "************1111", repr(r))
    r = w.psql("drop table t")
    h.check(r.code != 0, repr(r))
    h.has(r.err, "ddl")
    r = h.run([f"{tree}/packaging/release.sh", "--no-such"], timeout=10)
    h.eq(r.code, 2)


if __name__ == "__main__":
    os.chdir(h.ROOT)
    h.main(test_release)
