# SPDX-License-Identifier: MIT
"""PostgreSQL's own regression SQL, from Debian's source package of the server that is installed.

It is fetched through apt with a list of sources of its own, so that the machine's lists stay as they
are, and unpacked into build/regress; nothing of it is ours to keep."""
import glob, os, re, shutil, subprocess, tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDER = f"{ROOT}/build/regress"
PACKAGE = "postgresql-15"


class Unavailable(Exception):
    pass


def _call(argv, **kw):
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, **kw)
    return p.returncode, p.stdout.decode(errors="replace")


def _sources(folder):
    """The machine's own package sources, asking for source packages instead."""
    os.makedirs(f"{folder}/parts", exist_ok=True)
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        with open(path) as f:
            text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", f.read())
        with open(f"{folder}/parts/{os.path.basename(path)}", "w") as f:
            f.write(text)
    for path in glob.glob("/etc/apt/sources.list.d/*.list") + ["/etc/apt/sources.list"]:
        if not os.path.exists(path):
            continue
        with open(path) as f:
            lines = [re.sub(r"^deb\s", "deb-src ", x) for x in f if re.match(r"deb\s", x)]
        if lines:
            with open(f"{folder}/parts/{os.path.basename(path)}.list", "w") as f:
                f.writelines(lines)


def _fetch(folder):
    apt = f"{folder}/apt"
    shutil.rmtree(apt, ignore_errors=True)
    os.makedirs(f"{apt}/lists/partial")
    _sources(apt)
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={apt}/parts",
               "-o", f"Dir::State::lists={apt}/lists"]
    code, out = _call(["apt-get", *options, "update"])
    if code:
        raise Unavailable(f"apt-get update for source packages fails:\n{out}")
    _, out = _call(["apt-cache", *options, "showsrc", PACKAGE])
    versions = re.findall(r"(?m)^Version: (\S+)", out)
    # The newest that the mirror really has: a security mirror drops what it superseded.
    for version in reversed(versions):
        code, out = _call(["apt-get", *options, "source", "--download-only",
                           f"{PACKAGE}={version}"], cwd=folder)
        found = glob.glob(f"{folder}/{PACKAGE}_*.orig.tar.*[!c]")
        if code == 0 and found:
            return found[0]
    raise Unavailable(f"no source package {PACKAGE} can be had through apt "
                      f"(versions: {', '.join(versions) or 'none'}):\n{out}")


def _build_library(src, so):
    """regress.so: the functions in C that some of the tests load."""
    code, inc = _call(["pg_config", "--includedir-server"])
    if not os.path.exists(f"{inc.strip()}/postgres.h"):
        inc = "/usr/include/postgresql/15/server"
    code, out = _call(["gcc", "-O1", "-fPIC", "-shared", "-w", f"-I{inc.strip()}",
                       '-DDLSUFFIX=".so"', "-o", so, f"{src}/regress.c"])
    if code:
        raise Unavailable(f"regress.c does not build:\n{out}")


def get():
    """The folder of the regression tests: sql/, data/, parallel_schedule, regress.so."""
    done = f"{FOLDER}/regress"
    if os.path.exists(f"{done}/regress.so"):
        return done
    os.makedirs(FOLDER, exist_ok=True)
    archive = _fetch(FOLDER)
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
    for path in [f"{FOLDER}/apt"] + glob.glob(f"{FOLDER}/{PACKAGE}_*"):
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)
    return done


def schedule(folder):
    """Names of the tests in the order in which the makers run them."""
    names = []
    with open(f"{folder}/parallel_schedule") as f:
        for line in f:
            if line.startswith("test:"):
                names += line.split()[1:]
    return names
