# SPDX-License-Identifier: MIT
"""What the tests of the audit log's readers and verifier share: a folder, the programs, and a list of cases to run."""
import os, shutil, tempfile

ROOT = os.environ.get("WEIR_ROOT", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
WEIR = os.environ.get("WEIR", f"{ROOT}/build/weir")
LOAD = f"{ROOT}/build/opt/tests/audit_load"
tests, tmp = [], tempfile.mkdtemp(prefix="weir-audit.")


def test(f):
    tests.append(f)
    return f


def main():
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for i, t in enumerate(tests, 1):
        try:
            t()
            print(f"ok {i} - {t.__name__}", flush=True)
        except Exception as e:
            failed += 1
            print("# " + f"{type(e).__name__}: {e}".replace("\n", "\n# "))
            print(f"not ok {i} - {t.__name__}", flush=True)
    shutil.rmtree(tmp, ignore_errors=True)
    raise SystemExit(failed != 0)
