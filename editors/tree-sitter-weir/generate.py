#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes src/ from grammar.js, with tree-sitter's own generator.

  editors/tree-sitter-weir/generate.py           rewrite src/
  editors/tree-sitter-weir/generate.py --check   exit 1 when it is not current

Debian has the generator as source only, in a program that needs crates which Debian lacks. So its
modules that make a parser of a grammar are built here, unchanged, with Debian's Rust and crates and
the few lines of MAIN around them. They stay in build/tree-sitter; half a minute the first time."""
import glob, os, shutil, subprocess, sys, tarfile, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{ROOT}/tests")
import debian

FOLDER = f"{ROOT}/build/tree-sitter"
PACKAGE = "tree-sitter"
CARGO, RUSTC = "/usr/bin/cargo", "/usr/bin/rustc"
FILES = ("grammar.json", "node-types.json", "parser.c", "tree_sitter/LICENSE",
         "tree_sitter/parser.h")

MANIFEST = """[package]
name = "generator"
version = "{version}"
edition = "2018"

[[bin]]
name = "generator"
path = "main.rs"

[dependencies]
anyhow = "1"
indexmap = "1"
lazy_static = "1"
log = {{ version = "0.4", features = ["std"] }}
regex = {{ version = "1", default-features = false, features = ["std", "unicode-perl"] }}
regex-syntax = {{ version = "0.6", default-features = false }}
rustc-hash = "1"
semver = "1"
serde = {{ version = "1", features = ["derive"] }}
serde_json = {{ version = "1", features = ["preserve_order"] }}
smallbitvec = "2"

[profile.dev]
debug = false
incremental = false
"""

# Crates are those of Debian's packages, and no registry is asked.
SETTINGS = """[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
[net]
offline = true
[env]
RUST_BINDING_VERSION = "{version}"
"""

# The modules want two constants of the crate `tree_sitter`, which this one stands in for.
MAIN = """extern crate self as tree_sitter;
pub const LANGUAGE_VERSION: usize = 14;
pub const PARSER_HEADER: &str = include_str!("source/lib/include/tree_sitter/parser.h");
#[allow(dead_code)]
#[path = "source/cli/src/generate/mod.rs"]
mod generate;
fn main() -> anyhow::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).expect("a folder"));
    generate::generate_parser_in_directory(&folder, None, LANGUAGE_VERSION, false, None)
}
"""


def put(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return  # nor is it newer, which would build the generator again
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def source():
    """Unpacks Debian's source of tree-sitter; its version."""
    done = f"{FOLDER}/source"
    if not os.path.exists(f"{done}/LICENSE"):
        archive = debian.fetch(PACKAGE, FOLDER)
        shutil.rmtree(done, ignore_errors=True)
        shutil.rmtree(f"{FOLDER}/new", ignore_errors=True)
        with tarfile.open(archive) as t:
            t.extractall(f"{FOLDER}/new", [m for m in t if "/cli/src/" in m.name
                                           or m.name.endswith(("/tree_sitter/parser.h", "/LICENSE",
                                                               "/cli/Cargo.toml"))])
        os.rename(glob.glob(f"{FOLDER}/new/*/")[0].rstrip("/"), done)
        shutil.rmtree(f"{FOLDER}/new")
        debian.clean(PACKAGE, FOLDER)
    with open(f"{done}/cli/Cargo.toml", encoding="utf-8") as f:
        return next(x.split('"')[1] for x in f if x.startswith("version"))


def generator():
    """The path of the generator, which is built where it is not yet."""
    if not os.path.exists(CARGO) or not os.path.exists(RUSTC):
        raise debian.Unavailable("no cargo and rustc of Debian: ./configure --install")
    os.makedirs(FOLDER, exist_ok=True)
    version = source()
    put(f"{FOLDER}/Cargo.toml", MANIFEST.format(version=version))
    put(f"{FOLDER}/.cargo/config.toml", SETTINGS.format(version=version))
    put(f"{FOLDER}/main.rs", MAIN)
    env = dict(os.environ, RUSTC=RUSTC, CARGO_HOME=f"{FOLDER}/home",
               CARGO_TARGET_DIR=f"{FOLDER}/target")
    code, out = debian.call([CARGO, "build", "--quiet"], cwd=FOLDER, env=env)
    if code:
        raise debian.Unavailable(f"the generator does not build:\n{out}")
    return f"{FOLDER}/target/debug/generator"


def generated():
    """What each of FILES must be."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(f"{HERE}/grammar.js", folder)
        subprocess.run([generator(), folder], check=True)
        shutil.copy(f"{FOLDER}/source/LICENSE", f"{folder}/src/tree_sitter/LICENSE")
        found = {}
        for name in FILES:
            with open(f"{folder}/src/{name}", encoding="utf-8") as f:
                found[name] = f.read()
        return found


def stale(found):
    """The names of those that are not so."""
    for name, text in found.items():
        path = f"{HERE}/src/{name}"
        if not os.path.exists(path):
            yield name
            continue
        with open(path, encoding="utf-8") as f:
            if f.read() != text:
                yield name


def main():
    found = generated()
    names = list(stale(found))
    if "--check" in sys.argv[1:]:
        if names:
            print(f"not current: {' '.join(names)}; run editors/tree-sitter-weir/generate.py",
                  file=sys.stderr)
        return 1 if names else 0
    for name in names:
        put(f"{HERE}/src/{name}", found[name])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (debian.Unavailable, subprocess.CalledProcessError) as e:
        sys.exit(f"generate.py: {e}")
