# SPDX-License-Identifier: MIT
"""A gateway whose target has its password from a file, and a target whose password changes."""
import os

import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None


def postgres():
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    return h.Postgres(sql="create table t (a int)")


def gateway(pg, extra="", port=None, **kw):
    w = h.Weir(pg, start=False, extra="limit workers 1\n" + extra, **kw)
    w.edit(('password "app-secret"', 'password-file "app.password"'),
           (f"127.0.0.1:{pg.port}", f"127.0.0.1:{port or pg.port}"))
    keep(w, "app-secret")
    return w.start()


def keep(w, password):
    """Written beside it first: it is read at any time."""
    with open(f"{w.dir}/app.new", "w") as f:
        f.write(password + "\n")
    os.chmod(f"{w.dir}/app.new", 0o600)
    os.rename(f"{w.dir}/app.new", f"{w.dir}/app.password")


def rotate(pg, password):
    pg.super(f"alter role app password '{password}'")
    pg.password = password
