# SPDX-License-Identifier: MIT
"""Source packages of Debian, through apt with a list of sources of its own, so that the machine's
lists stay as they are."""
import glob, os, re, shutil, subprocess


class Unavailable(Exception):
    pass


def call(argv, **kw):
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


def _download(package, folder, options):
    _, out = call(["apt-cache", *options, "showsrc", package])
    versions = re.findall(r"(?m)^Version: (\S+)", out)
    # The newest that the mirror really has: a security mirror drops what it superseded.
    for version in reversed(versions):
        code, out = call(["apt-get", *options, "source", "--download-only",
                          f"{package}={version}"], cwd=folder)
        found = glob.glob(f"{folder}/{package}_*.orig.tar.*[!c]")
        if code == 0 and found:
            return found[0]
    raise Unavailable(f"no source package {package} can be had through apt "
                      f"(versions: {', '.join(versions) or 'none'}):\n{out}")


def fetch(package, folder):
    """The path of the package's original archive, in the folder."""
    apt = f"{folder}/apt"
    shutil.rmtree(apt, ignore_errors=True)
    os.makedirs(f"{apt}/lists/partial")
    _sources(apt)
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={apt}/parts",
               "-o", f"Dir::State::lists={apt}/lists"]
    code, out = call(["apt-get", *options, "update"])
    if code:
        raise Unavailable(f"apt-get update for source packages fails:\n{out}")
    return _download(package, folder, options)


def clean(package, folder):
    """Removes what fetch() has left."""
    for path in [f"{folder}/apt"] + glob.glob(f"{folder}/{package}_*"):
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)
