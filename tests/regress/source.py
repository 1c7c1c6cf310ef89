# SPDX-License-Identifier: MIT
"""PostgreSQL's own regression SQL, from Debian's source package of the server that is installed.

It is unpacked into build/regress; nothing of it is ours to keep."""
import glob, os, shutil, sys, tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
import debian

FOLDER = f"{ROOT}/build/regress"
PACKAGE = "postgresql-15"
Unavailable = debian.Unavailable


def _build_library(src, so):
    """regress.so: the functions in C that some of the tests load."""
    code, inc = debian.call(["pg_config", "--includedir-server"])
    if not os.path.exists(f"{inc.strip()}/postgres.h"):
        inc = "/usr/include/postgresql/15/server"
    code, out = debian.call(["gcc", "-O1", "-fPIC", "-shared", "-w", f"-I{inc.strip()}",
                             '-DDLSUFFIX=".so"', "-o", so, f"{src}/regress.c"])
    if code:
        raise Unavailable(f"regress.c does not build:\n{out}")


def get():
    """The folder of the regression tests: sql/, data/, parallel_schedule, regress.so."""
    done = f"{FOLDER}/regress"
    if os.path.exists(f"{done}/regress.so"):
        return done
    os.makedirs(FOLDER, exist_ok=True)
    archive = debian.fetch(PACKAGE, FOLDER)
    new = f"{FOLDER}/new"
    shutil.rmtree(new, ignore_errors=True)
    with tarfile.open(archive) as t:
        members = [m for m in t if "/src/test/regress/" in m.name]
        t.extractall(new, members)
    src = glob.glob(f"{new}/*/src/test/regress")[0]
    _build_library(src, f"{src}/regress.so")
    shutil.rmtree(done, ignore_errors=True)
    os.rename(src, done)
    shutil.rmtree(new)
    debian.clean(PACKAGE, FOLDER)
    return done


def schedule(folder):
    """Names of the tests in the order in which the makers run them."""
    names = []
    with open(f"{folder}/parallel_schedule") as f:
        for line in f:
            if line.startswith("test:"):
                names += line.split()[1:]
    return names
