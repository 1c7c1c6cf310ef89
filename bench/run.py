#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmark: ratios, not absolutes. See bench/README.md for the method.

  bench/run.py [--rounds N] [--seconds S] [--only a,b] [--no-real] [--no-scale] [--gate] [--no-write]

Measures build/release/weir when it is there (packaging/release.sh), else build/weir, and says which.
Writes bench/RESULTS.md and build/bench/samples.jsonl. Exit 1 when --gate is given and a bound is
broken or was not measured; an inconclusive run (A/A control off) does not fail.
"""
import argparse, json, os, random, resource, statistics, sys, time

import stage
from stage import h

RELAY = "relay-A"
AA = (0.87, 1.15)
# Samples that differ most from one moment to the next are taken more often in a round.
TURNS = {"q32": 3, "q1": 3}
BACKGROUND_MAX, CAL_MAX, RETRIES = 0.25, 1.5, 5

# Bounds on ratios: sample, measure, variant, reference, at most, why.
BOUNDS = [
    ("q32", "cpu", "weir-policy", "pgbouncer", 1.00, "CPU per query, 32 clients"),
    ("q32", "cpu", "weir-policy", RELAY, 1.35, "CPU per query, 32 clients"),
    ("q1", "cpu", "weir-policy", "pgbouncer", 1.10, "CPU per query, 1 client"),
    ("rows1c", "cpu", "weir-pass", "pgbouncer", 0.35, "CPU per MB, unmasked"),
    ("rows1c", "cpu", "weir-pass", RELAY, 1.30, "CPU per MB, unmasked"),
    ("rows1c", "cpu", "weir-mask-inplace", "pgbouncer", 0.45, "CPU per MB, masked in place"),
    ("rows1c", "cpu", "weir-mask-rewrite", "pgbouncer", 0.50, "CPU per MB, masked by rewriting"),
    ("real100k", "cpu", "weir-pass", "pgbouncer", 0.60, "CPU per MB, real PostgreSQL"),
    ("real100k", "cpu", "weir-pass", RELAY, 0.80, "CPU per MB, real PostgreSQL"),
]
# Bounds on counters, which do not depend on the machine: sample, variant, numerator, denominator,
# at most. A denominator of None is the number of queries.
COUNTER_BOUNDS = [
    ("q32", "weir-policy", "enters", None, 1.5, "enters per query, 32 clients"),
    ("q1", "weir-policy", "enters", None, 3.0, "enters per query, 1 client"),
    ("q1", "weir-policy", "calls", None, 2.5, "sends that are calls, per query, 1 client"),
    ("q1", "weir-policy", "cqes", None, 3.0, "completions per query, 1 client"),
    ("q32", "weir-policy", "calls", None, 0.5, "sends that are calls, per query, 32 clients"),
    ("q32", "weir-policy", "cqes", None, 6.0, "completions per query, 32 clients"),
    ("q32", "weir-policy", "command_allocs", None, 0.05, "allocations per query after warm-up"),
    ("rows1c", "weir-pass", "bytes_copied", "bytes_out", 0.01, "copied bytes per byte, unmasked"),
    ("rows1c", "weir-mask-inplace", "bytes_copied", "bytes_out", 0.01,
     "copied bytes per byte, masked in place"),
    ("rows1c", "weir-mask-rewrite", "bytes_copied", "bytes_out", 1.10,
     "copied bytes per byte, rewritten"),
    ("rows1c", "weir-mask-inplace", "vm_ops", "rows", 20, "VM operations per row"),
    ("rows1c", "weir-mask-byrow", "row_ops", "rows", 20,
     "VM operations per row, a mask that reads it"),
    ("rows8c", "weir-pass", "enobufs", None, 1.0, "receives without a buffer per query"),
]
# Memory, in KiB: of an idle client, left after all have gone, and more for a long result (15 MB) than for a
# short one: what buffers hold, which is bounded.
IDLE_KIB, LEFT_KIB, GROWN_KIB = 4, 512, 4096
RESULT_ROWS = (1000, 100000)


def median(xs):
    return statistics.median(xs)


def quartiles(xs):
    if len(xs) < 2:
        return xs[0], xs[0]
    q = statistics.quantiles(xs, n=4, method="inclusive")
    return q[0], q[2]


# ---- rounds ----------------------------------------------------------------------------------------

class Run:
    def __init__(self, args):
        self.args = args
        os.makedirs(f"{stage.ROOT}/build/bench", exist_ok=True)
        self.raw = open(f"{stage.ROOT}/build/bench/samples.jsonl", "w")
        self.data = {}   # (sample, variant) -> the results of kept rounds, in the order taken
        self.notes = []
        self.counters = {}

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
        print(f"# {text}", flush=True)

    def open_proxies(self, names, up):
        proxies = {}
        for name in names:
            try:
                proxies[name] = stage.STARTERS[name](name, up)
            except (h.Failure, h.Skip) as e:
                self.note(f"left out: {name}: {str(e).strip().splitlines()[-1][:200]}")
        return proxies

    def round(self, proxies, up, samples):
        """Every variant under every load. The variants of a sample follow one another in random order, so
        that what is divided was measured within seconds."""
        results, turns = [], [s for s in samples for _ in range(TURNS.get(s, 1))]
        random.shuffle(turns)
        for s in turns:
            flush = stage.fdatasync_us(h.tmp(), 60) if s == "q1" else None
            for v in random.sample(list(proxies), len(proxies)):
                conns, sql, unit = samples[s]
                try:
                    r = stage.sample(proxies[v], up, conns, sql, unit, self.args.seconds)
                except h.Failure as e:
                    self.note(f"left out from here: {v}: {str(e).strip().splitlines()[-1][:200]}")
                    del proxies[v]
                    return None
                r.update(sample=s, variant=v, fdatasync=flush)
                results.append(r)
        return results

    def rounds(self, proxies, up, samples, n):
        cals, done, tries = [], 0, 0
        while done < n and proxies:
            results = self.round(proxies, up, samples)
            if results is None:
                continue
            background = median([r["background"] for r in results])
            cal = median([r["cal_ms"] for r in results])
            noisy = background > BACKGROUND_MAX or (cals and cal > CAL_MAX * median(cals))
            cals.append(cal)
            keep = not noisy or tries >= RETRIES
            for r in results:
                r.update(round=done, kept=keep)
                self.raw.write(json.dumps(r) + "\n")
            if not keep:
                tries += 1
                continue
            for r in results:
                self.data.setdefault((r["sample"], r["variant"]), []).append(r)
            done += 1
            print(f"# round {done}/{n}: background {background:.0%}, calibration {cal:.1f} ms"
                  f"{' (noisy, kept)' if noisy else ''}", flush=True)
        if tries:
            self.note(f"{tries} rounds were repeated because the machine was busy or slowed down"
                      f"{'; later noisy ones were kept' if tries >= RETRIES else ''}")

    def ratios(self, sample, variant, reference, measure="cpu"):
        a, b = self.data.get((sample, variant)), self.data.get((sample, reference))
        if not a or not b:
            return None
        # Left out in the middle: compare the rounds both have.
        return [x[measure] / y[measure] for x, y in zip(a, b) if y[measure]]

    # ---- deterministic counters --------------------------------------------------------------------

    def measure_counters(self, proxies, up):
        for s, (conns, sql, unit) in stage.SAMPLES.items():
            for v, proxy in proxies.items():
                if not proxy.weir:
                    continue
                try:
                    stage.sample(proxy, up, conns, sql, unit, 0.2)  # warm
                    before = stage.read_counters(proxy)
                    r = stage.sample(proxy, up, conns, sql, unit, self.args.seconds)
                    after = stage.read_counters(proxy)
                except h.Failure as e:
                    self.note(f"no counters of {v}: {str(e).splitlines()[0]}")
                    return
                delta = {k: after[k] - before.get(k, 0) for k in after}
                # The first statement of each connection is not among the client's queries.
                delta["queries"] = r["queries"] + conns
                delta["rows"] = r["rows"] * delta["queries"] / max(1, r["queries"])
                self.counters[s, v] = delta

    # ---- scale -------------------------------------------------------------------------------------

    def idle(self, names, up, n):
        """Memory of a proxy per idle client."""
        found = []
        for name in names:
            proxy = self.open_proxies([name], up).get(name)
            if not proxy:
                continue
            load = stage.Load(proxy.dsn, "-c", 20, "--idle")  # touch what is touched once
            load.end()
            before = stage.rss_kib(proxy.p.pid)
            t = time.monotonic()
            try:
                load = stage.Load(proxy.dsn, "-c", n, "--idle")
            except h.Failure as e:
                self.note(f"{n} idle connections: {name}: {str(e).splitlines()[0]}")
                continue
            after = stage.rss_kib(proxy.p.pid)
            found.append((name, n, (after - before) / n, time.monotonic() - t))
            load.end()
            h.end(proxy.p)
        return found

    def cycles(self, names, up, n):
        """CPU per connect-query-disconnect, and what is left of it."""
        found = []
        for name in names:
            proxy = self.open_proxies([name], up).get(name)
            if not proxy:
                continue
            fds = f"/proc/{proxy.p.pid}/fd"
            # What the first ones make is kept and used again; a leak is what the second ones add.
            load = stage.Load(proxy.dsn, "--cycles", n, "--sql", stage.POINT)
            load.go()
            load.result()
            load.end()
            rss0, fds0, cpu0 = stage.rss_kib(proxy.p.pid), len(os.listdir(fds)), stage.cpu_us(
                proxy.p.pid)
            load = stage.Load(proxy.dsn, "--cycles", n, "--sql", stage.POINT)
            load.go()
            r = load.result()
            cpu1 = stage.cpu_us(proxy.p.pid)
            load.end()
            h.wait_for(lambda: len(os.listdir(fds)) <= fds0, 10, "descriptors are closed")
            found.append((name, n, r["errors"], (sum(cpu1) - sum(cpu0)) / n, n / r["seconds"],
                          stage.rss_kib(proxy.p.pid) - rss0, len(os.listdir(fds)) - fds0))
            h.end(proxy.p)
        return found


    def results(self, names, up):
        """Most memory that a proxy has had during short results, and during long ones."""
        found = []
        for name in names:
            proxy = self.open_proxies([name], up).get(name)
            if not proxy:
                continue
            peaks = []
            # Once for what is kept and used again: a reader that is slow for a moment has the
            # buffers filled, and they stay.
            for rows in (RESULT_ROWS[1], *RESULT_ROWS):
                stage.forget_peak(proxy.p.pid)
                stage.sample(proxy, up, 1, stage.ROWS % rows, "MB", self.args.seconds)
                peaks.append(stage.peak_kib(proxy.p.pid))
            found.append((name, peaks[1], peaks[2] - peaks[1]))
            h.end(proxy.p)
        return found


# ---- report ----------------------------------------------------------------------------------------

def table(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return out + ["| " + " | ".join(map(str, r)) + " |" for r in rows]


def cell(run, s, v, reference):
    xs = run.ratios(s, v, reference)
    if not xs:
        return "-"
    lo, hi = quartiles(xs)
    return f"x{median(xs):.2f} ({lo:.2f}..{hi:.2f})"


def verdicts(run):
    rows, broken = [], 0
    for s, measure, v, reference, bound, text in BOUNDS:
        xs = run.ratios(s, v, reference, measure)
        if not xs:
            rows.append((text, s, v, reference, f"<= {bound}", "-", "not measured"))
            continue
        aa = [median(run.ratios(s, "relay-B", RELAY) or [1])]
        inconclusive = not all(AA[0] <= x <= AA[1] for x in aa)
        over = median(xs) > bound and quartiles(xs)[0] > bound
        verdict = ("INCONCLUSIVE" if inconclusive else "OVER" if over else
                   "met" if median(xs) <= bound else "within noise")
        broken += over and not inconclusive
        rows.append((text, s, v, reference, f"<= {bound}", cell(run, s, v, reference), verdict))
    return rows, broken


def latency(run):
    """Added p50 of a pure read on one client, in us: medians over the turns of q1 of what direct takes, one
    fdatasync takes, the others add, and of what is allowed: 1.15 x what pgbouncer adds, plus what the
    fdatasync exceeds the query's own time by, because its record must be durable before the reply."""
    need = [run.data.get(("q1", v)) for v in ("direct", "pgbouncer", "weir-policy")]
    if not all(need):
        return None

    def added(v):
        xs = [r["p50_us"] - d["p50_us"] for r, d in zip(run.data.get(("q1", v), ()), need[0])]
        return median(xs) if xs else None

    allowed = median([1.15 * (b["p50_us"] - d["p50_us"]) + max(0.0, d["fdatasync"] - d["p50_us"])
                      for d, b in zip(need[0], need[1])])
    return {"direct": median([r["p50_us"] for r in need[0]]),
            "fdatasync": median([r["fdatasync"] for r in need[0]]),
            "pgbouncer": added("pgbouncer"), "ours": added("weir-policy"),
            "floor": added("relay-record"), "allowed": allowed, "met": added("weir-policy") <= allowed}


def counter_verdicts(run):
    rows, broken = [], 0
    for s, v, num, den, bound, text in COUNTER_BOUNDS:
        c = run.counters.get((s, v))
        if not c or num not in c or (den and not c.get(den)):
            rows.append((text, s, v, f"<= {bound}", "-", "not measured"))
            continue
        x = c[num] / (c[den] if den else c["queries"])
        broken += x > bound
        rows.append((text, s, v, f"<= {bound}", f"{x:.3f}", "OVER" if x > bound else "met"))
    return rows, broken


def scale_report(extra):
    """The tables about memory and what is left, each with its bound; how many are broken."""
    def verdict(name, kept):
        return "" if not name.startswith("weir") else "met" if kept else "OVER"

    out, rows = [], [(a, n, f"{k:.2f}", f"{t:.0f}", verdict(a, k <= IDLE_KIB))
                     for a, n, k, t in extra.get("idle", ())]
    broken = sum(r[-1] == "OVER" for r in rows)
    if rows:
        out += ["## Idle connections", "", *table(
            ["", "connections", "KiB resident each", "logged in after s", f"<= {IDLE_KIB} KiB"], rows), ""]
    rows = [(a, n, e, f"{c:.0f}", f"{s:.0f}", k, d, verdict(a, k <= LEFT_KIB and d <= 0 and not e))
            for a, n, e, c, s, k, d in extra.get("cycles", ())]
    broken += sum(r[-1] == "OVER" for r in rows)
    if rows:
        out += ["## Connect, one query, disconnect", "", *table(
            ["", "cycles", "errors", "CPU us each", "a second", "KiB left", "descriptors left",
             f"<= {LEFT_KIB} KiB, no descriptor"], rows), ""]
    rates = {a: s for a, _, _, _, s, _, _ in extra.get("cycles", ())}
    if "weir-pool" in rates and "pgbouncer" in rates:
        slower = rates["weir-pool"] < rates["pgbouncer"]
        broken += slower
        out += [f"Connections a second with a pool: {rates['weir-pool']:.0f}, of pgbouncer {rates['pgbouncer']:.0f}: "
                f"{'SLOWER' if slower else 'met'}.", ""]
    rows = [(a, k, g, verdict(a, g <= GROWN_KIB)) for a, k, g in extra.get("results", ())]
    broken += sum(r[-1] == "OVER" for r in rows)
    if rows:
        short, long = (f"{n:,} rows" for n in RESULT_ROWS)
        out += ["## Memory and the result", "", *table(
            ["", f"most KiB with {short}", f"more with {long}", f"<= {GROWN_KIB} KiB"], rows), ""]
    return out, broken


def report(run, args, extra):
    bounds, broken = verdicts(run)
    counted, over = counter_verdicts(run)
    out = ["# Results", "",
           f"{time.strftime('%Y-%m-%d')}, {stage.machine()}; {args.rounds} rounds of "
           f"{args.seconds} s samples of {run.binary}. Written by `ninja bench`; how to read it: README.md here.",
           ""]
    for title, samples, reference in (
            ("Canned server, CPU as a ratio to the minimal relay", stage.SAMPLES, RELAY),
            ("Canned server, CPU as a ratio to pgbouncer", stage.SAMPLES, "pgbouncer"),
            ("Real PostgreSQL, CPU as a ratio to the minimal relay", stage.REAL_SAMPLES, RELAY),
            ("Real PostgreSQL, CPU as a ratio to pgbouncer", stage.REAL_SAMPLES, "pgbouncer")):
        variants = [v for v in stage.STARTERS if v != "direct" and
                    any((s, v) in run.data for s in samples)]
        if variants:
            out += [f"## {title}", "", *table(
                ["", *samples], [[v, *(cell(run, s, v, reference) for s in samples)]
                                 for v in variants]), ""]
    rows = []
    for (s, v), rs in sorted(run.data.items()):
        committer = median([r["committer"] for r in rs])
        rows.append((s, v, f"{median([r['cpu'] for r in rs]):.1f}",
                     f"{committer:.1f}" if committer else "",
                     f"{median([r['p50_us'] for r in rs]):.0f}",
                     f"{median([r['p99_us'] for r in rs]):.0f}",
                     f"{median([r['queries'] / r['seconds'] for r in rs]):.0f}",
                     f"{median([r['mb_s'] for r in rs]):.0f}"))
    out += ["## Bounds", "", "met: the median keeps the bound. within noise: the median does not, the "
            "lower quartile does. INCONCLUSIVE: two runs of the same relay differ too much.", "",
            *table(["", "sample", "variant", "against", "bound", "ratio", "verdict"], bounds), ""]
    lat = latency(run)
    if lat:
        out += [f"Added p50 of a pure read, one client: {lat['ours']:.0f} us; pgbouncer adds "
                f"{lat['pgbouncer']:.0f} us, direct takes {lat['direct']:.0f} us, one fdatasync of 4 KiB "
                f"{lat['fdatasync']:.0f} us; allowed {lat['allowed']:.0f} us: {'met' if lat['met'] else 'OVER'}.", ""]
        if lat["floor"] is not None:
            out[-1:] = [f"The floor: the minimal relay, with one durable write of a record's size and "
                        f"nothing else, adds {lat['floor']:.0f} us.", ""]
    out += ["## Counters", "", *table(["", "sample", "variant", "bound", "measured", "verdict"],
                                      counted), ""]
    scaled, leaks = scale_report(extra)
    out += scaled
    out += ["## Absolute figures (medians; not comparable between runs)", "",
            "CPU in us per query (q...) or per MB (rows..., real100k); the committer's apart.", "",
            *table(["sample", "variant", "CPU", "committer", "p50 us", "p99 us", "queries/s", "MB/s"],
                   rows), ""]
    if run.notes:
        out += ["## Notes", "", *(f"- {n}" for n in run.notes), ""]
    return "\n".join(out), broken + over + leaks + bool(lat and not lat["met"])


# ---- main ------------------------------------------------------------------------------------------

def raise_limits(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, n), max(hard, n)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def choose_binary():
    """What people install, if it has been built from what is checked out here."""
    release, version = f"{stage.ROOT}/build/release/weir", lambda p: h.run([p, "--version"]).out
    if os.environ.get("WEIR"):
        return os.path.relpath(h.WEIR, stage.ROOT)
    if os.path.exists(release):
        h.eq(version(release), version(h.WEIR),
             "build/release/weir is of another commit: run packaging/release.sh, or remove it")
        h.WEIR = release
    return os.path.relpath(h.WEIR, stage.ROOT)


def scale(run, args, blast, names):
    wanted, names = names, [n for n in ("relay-A", "forward-io", "weir-policy", "weir-pool")
                            if n in names]
    # A proxy needs two descriptors for a client, one that pools only the client's.
    most = raise_limits(2 * args.idle + 400) - 400
    idle = []
    for name in names:
        n = min(args.idle, most if name == "weir-pool" else most // 2)
        if n < args.idle:
            run.note(f"{n} idle connections of {name} instead of {args.idle}: the limit of descriptors")
        idle += run.idle([name], blast, n)
    rows = ("relay-A", "weir-pass", "weir-mask-inplace", "weir-mask-byrow", "weir-mask-rewrite")
    return idle, run.cycles([*names, "pgbouncer"], blast, args.cycles), run.results([n for n in rows if n in wanted], blast)


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--seconds", type=float, default=0.3)
    ap.add_argument("--only", default="")
    ap.add_argument("--idle", type=int, default=10000)
    ap.add_argument("--cycles", type=int, default=5000)
    ap.add_argument("--no-real", action="store_true")
    ap.add_argument("--no-scale", action="store_true")
    ap.add_argument("--no-write", action="store_true", help="print, do not touch RESULTS.md")
    ap.add_argument("--gate", action="store_true")
    args = ap.parse_args()
    names = [n for n in stage.STARTERS if not args.only or n in args.only.split(",")]
    run, extra = Run(args), {}
    run.binary = choose_binary()

    real = h.Postgres(sql=stage.TABLES, settings={"max_connections": "300",
                                                  "shared_buffers": "128MB"})
    real.super("alter system set jit = off", db="postgres")
    blast = stage.start_blast(real)

    proxies = run.open_proxies([n for n in names if n != "weir-pool"], blast)
    run.rounds(proxies, blast, stage.SAMPLES, args.rounds)
    run.measure_counters(proxies, blast)
    for p in proxies.values():
        if p.name != "direct":
            h.end(p.p)
    if not args.no_real:
        proxies = run.open_proxies(
            [n for n in names if n not in ("weir-mask-rewrite", "forward-io", "weir-pool")], real)
        run.rounds(proxies, real, stage.REAL_SAMPLES, max(3, args.rounds - 2))
        for p in proxies.values():
            if p.name != "direct":
                h.end(p.p)
    if not args.no_scale:
        extra["idle"], extra["cycles"], extra["results"] = scale(run, args, blast, names)

    text, broken = report(run, args, extra)
    if args.no_write:
        print(text)
    else:
        with open(f"{stage.ROOT}/bench/RESULTS.md", "w") as f:
            f.write(text)
        print(f"bench/RESULTS.md and build/bench/samples.jsonl written; {broken} bounds broken")
    # What was not measured has not kept its bound.
    return 1 if args.gate and (broken or "| not measured |" in text) else 0


if __name__ == "__main__":
    sys.exit(main())
