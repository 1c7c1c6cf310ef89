#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The state folder goes away under a running gateway: what cannot be recorded is refused, and what
is missing afterwards shows."""
import glob, os, shutil, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

pg = None


def setup():
    global pg
    pg = h.Postgres(sql="create table t (a int)")


def rows():
    return pg.super("select count(*) from t", db="orders")


def session(w):
    s = w.psql_start(options=("-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose"))
    s.write("select 40 + 1;\n")
    s.saw("41")
    return s


def said(w, text):
    h.wait_for(lambda: text in w.log(), 10, f"{text!r} in\n{w.log()}")


def test_a_removed_folder_refuses_everything():
    w = h.Weir(pg)
    s, other = session(w), session(w)
    shutil.rmtree(w.state)
    s.write("insert into t values (1);\n")
    s.saw("WEIR-AUDIT")
    # What waited for its record ends with its session; all others go on, and are refused.
    other.write("insert into t values (2);\nselect 1;\n")
    h.wait_for(lambda: other.err.count("ERROR:  58030") == 2, 10, other.err)
    h.lacks(other.err, "FATAL")
    other.write("\\q\n")
    h.eq(other.wait().code, 0, "it is there still")
    h.eq(rows(), "0", "nothing unrecorded has run")
    said(w, "every command is refused until")
    r = w.psql("select 1")
    h.check(r.code != 0, repr(r))
    w.stop()
    # As from a fresh folder.
    w.start()
    h.eq(w.psql("select 1").out, "1")
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", w.state).code, 0)


def test_a_deleted_file_of_the_log_is_noticed():
    w = h.Weir(pg)
    s = session(w)
    for f in glob.glob(f"{w.state}/audit/seg/*"):
        os.unlink(f)
    s.write("insert into t values (2);\nselect 40 + 3;\n")
    s.saw("43")
    said(w, "audit log: its file could not be written (No such file or directory), or was deleted")
    s.write("\\q\n")
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", w.state).code, 1, "what is missing shows")
    found = glob.glob(f"{w.state}/audit/seg/*")
    h.check(found, "the log went on in another file")
    with open(found[0], "rb") as f:
        h.check(b"insert into t values (2)" in f.read(), "and has what has run")


def test_a_folder_that_was_moved_goes_on():
    w = h.Weir(pg)
    s = session(w)
    os.rename(w.state, f"{w.state}.moved")
    s.write("select 40 + 4;\n\\q\n")
    s.saw("44")
    w.stop()
    r = w.audit("verify", f"{w.state}.moved")
    h.eq(r.code, 0, repr(r))


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
