#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`weir run` as a process: start, reload, counters, drain, what it leaves on disk and what it keeps
to itself. Needs no client that speaks PostgreSQL."""
import base64, ctypes, glob, json, os, re, resource, select, shutil, signal, socket, stat, time
import urllib.error, urllib.request

import harness as h

POLICY = "policy p\ndefault allow\n"
pg = None


def setup():
    global pg
    pg = h.Postgres(sql="create table t (a int)")


def gateway(**kw):
    return h.Weir(pg, **kw)


def said(w, text, seconds=10):
    h.wait_for(lambda: text in w.log(), seconds, f"{text!r} in the log\n{w.log()}")
    return w.log()


def run(*args, **kw):
    return h.weir("run", *args, **kw)


def records(w, kind):
    r = w.audit("export", w.state, "--format", "jsonl")
    h.eq(r.code, 0, repr(r))
    return [x for x in map(json.loads, r.out.splitlines()) if x.get("type") == kind]


def ready(w):
    return said(w, " ready ")


def test_help_and_usage():
    r = run("--help")
    h.eq(r.code, 0)
    h.has(r.out, "usage: weir run", "SIGHUP", "Exit code")
    for args in ((), ("-c",), ("--nonsense",), ("-c", "x", "--log-level", "loud")):
        r = run(*args)
        h.eq(r.code, 2, repr(r))
        h.has(r.err, "weir run --help")


def test_start_and_stop():
    w = gateway()
    log = ready(w)
    h.has(log, f"postgres=127.0.0.1:{w.port}", f"admin=127.0.0.1:{w.admin}", "policy=p ", "digest=",
          "targets=1", "principals=4", "max-connections=", "tls=off")
    said(w, "catalog target=orders relations=")
    h.eq(w.stop(), 0, "exit code")
    h.has(w.log(), "drain", "stopped")
    h.lacks(w.log(), "Z error ")
    h.eq(h.weir("audit", "verify", w.state).code, 0)
    h.eq([x["body"]["outcome"] for x in records(w, "policy.load")], ["loaded"])
    h.eq([x["body"]["by"] for x in records(w, "config.change")], ["start"])


def test_second_signal_ends_at_once():
    w = gateway()
    ready(w)
    w.p.send_signal(signal.SIGINT)
    w.p.send_signal(signal.SIGTERM)
    h.eq(w.p.wait(10), 0)


def test_state_is_private():
    w = gateway()
    ready(w)
    for d in (w.state, f"{w.state}/keys", f"{w.state}/audit"):
        h.eq(stat.S_IMODE(os.stat(d).st_mode), 0o700, d)
    for f in glob.glob(f"{w.state}/keys/*"):
        h.eq(stat.S_IMODE(os.stat(f).st_mode) & 0o077, 0, f)
    key = f"{w.state}/keys/mask.key"
    h.eq(os.path.getsize(key), 32)
    with open(key, "rb") as f:
        first = f.read()
    h.eq(w.stop(), 0)
    w.start()
    ready(w)
    with open(key, "rb") as f:
        h.eq(f.read(), first, "mask key after a restart")
    w.stop()


def test_state_that_others_can_enter_is_refused():
    w = gateway(start=False)
    os.mkdir(w.state, 0o755)
    os.chmod(w.state, 0o755)
    r = run("-c", w.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, w.state, "0755", "chmod 700")
    os.chmod(w.state, 0o700)
    os.mkdir(f"{w.state}/keys", 0o700)
    with open(f"{w.state}/keys/mask.key", "wb") as f:
        f.write(b"short")
    os.chmod(f.name, 0o600)
    r = run("-c", w.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "mask.key is damaged")


def test_secrets_stay_inside():
    w = gateway()
    ready(w)
    said(w, "catalog target=orders")
    w.reload()
    said(w, "reloaded")
    secrets = ["app-secret", *h.KEYS.values()]
    with open(f"/proc/{w.p.pid}/cmdline") as f:
        h.lacks(f.read(), *secrets)
    h.lacks(w.log(), *secrets)
    with open(f"/proc/{w.p.pid}/limits") as f:
        h.has(re.sub(" +", " ", f.read()), "Max core file size 0 0")
    w.stop()
    for path in glob.glob(f"{w.state}/**", recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                text = f.read()
            for s in secrets:
                h.check(s.encode() not in text, f"{s} in {path}")


def test_check():
    w = gateway(start=False)
    r = run("-c", w.conf_path, "--check")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "ok", "policy=p", "1 target,")
    h.check(not os.path.exists(w.state), "--check made the state folder")
    with open(w.conf_path, "a") as f:
        f.write("\nprincipal dup kind human key\n")
    r = run("-c", w.conf_path, "--check")
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "error[E", "weir.conf:", "^")
    h.lacks(r.err, "app-secret", *h.KEYS.values())


def test_files_of_secrets_and_rules_are_looked_at():
    w = gateway(start=False)
    part = f"{w.dir}/part.weir"
    with open(part, "w") as f:
        f.write("allow part do sql.select\n")
    with open(w.policy, "w") as f:
        f.write('policy p\nimport "part.weir"\n')

    def found():
        r = run("-c", w.conf_path, "--check")
        h.eq(r.code, 0, repr(r))
        return re.findall(r"warning\[(W09\d\d)\]: '\S*/([\w.]+)' .* (\w+ by every|belongs|link)", r.err)
    h.eq(found(), [])
    for mode in (0o644, 0o604):
        os.chmod(w.conf_path, mode)
        h.eq(found(), [("W0909", "weir.conf", "read by every")])
    # Without secrets of its own it may be read.
    with open(w.conf_path) as f:
        conf = f.read()
    with open(f"{w.dir}/app.password", "w") as f:
        f.write("app-secret\r\n")
    os.chmod(f.name, 0o604)
    with open(w.conf_path, "w") as f:
        f.write(re.sub("(?m)^principal.*", "", conf).replace('password "app-secret"',
                                                             'password-file "app.password"'))
    h.eq(found(), [("W0909", "app.password", "read by every")])
    os.chmod(f"{w.dir}/app.password", 0o600)
    h.eq(found(), [])
    os.chmod(w.conf_path, 0o646)
    os.chmod(w.policy, 0o606)
    os.chmod(part, 0o646)
    h.eq(sorted(found()), [("W0913", x, "changed by every") for x in
                           ("part.weir", "policy.weir", "weir.conf")])
    if os.geteuid() == 0:
        for path in (w.conf_path, w.policy, part):
            os.chmod(path, 0o600)
        os.chown(part, 12345, -1)
        os.rename(w.policy, f"{w.dir}/real.weir")
        os.symlink("real.weir", w.policy)
        h.eq(found(), [("W0913", "part.weir", "belongs")])
        os.lchown(w.policy, 12345, -1)
        h.eq(sorted(found()), [("W0913", "part.weir", "belongs"), ("W0913", "policy.weir", "link")])


def test_the_state_folder_is_looked_at():
    """What `weir run` would refuse, --check says, and makes nothing."""
    w = gateway(start=False)

    def refused(*parts):
        for args in (("--check",), ()):
            r = run("-c", w.conf_path, *args)
            h.eq(r.code, 1, repr(r))
            h.has(r.err, *parts)
            h.lacks(r.out, "ok")
    os.mkdir(w.state, 0o700)
    h.eq(run("-c", w.conf_path, "--check").code, 0)
    h.eq(os.listdir(w.state), [])
    for mode in (0o750, 0o701, 0o722):
        os.chmod(w.state, mode)
        refused(f"the folder {w.state} is open to others", "chmod 700")
    os.chmod(w.state, 0o700)
    os.mkdir(f"{w.state}/keys", 0o755)
    refused(f"the folder {w.state}/keys is open to others")
    os.chmod(f"{w.state}/keys", 0o700)
    if os.geteuid() == 0:
        os.chown(w.state, 12345, -1)
        refused("belongs to user 12345, not to the gateway's user 0", "chown")
    shutil.rmtree(w.state)
    with open(w.state, "w"):
        pass
    refused(f"the folder {w.state}: Not a directory")
    w = gateway(start=False, state=f"{w.dir}/not/there")
    refused(f"cannot create the folder {w.state}: No such file or directory")


def test_files_of_other_systems():
    w = gateway(start=False)
    with open(w.conf_path) as f:
        conf = f.read()
    texts = {w.conf_path: conf.replace('password "app-secret"', 'password-file "app.password"'),
             w.policy: POLICY, f"{w.dir}/app.password": "app-secret\n"}

    def check(marked=None, end="\r\n"):
        for path, text in texts.items():
            with open(path, "w", newline="") as f:
                f.write(("\ufeff" if path == marked else "") + text.replace("\n", end))
            os.chmod(path, 0o600)
        return run("-c", w.conf_path, "--check")
    h.eq(check().code, 0)
    w.start()
    h.eq(w.psql("select 1").out, "1")
    h.eq(w.stop(), 0)
    for path in texts:
        r = check(path)
        h.eq(r.code, 1, repr(r))
        h.has(r.err, "byte order mark", os.path.basename(path))
    h.has(check(end="\r").err, "error[E")  # one line for a reader that ends lines as others do


def test_a_password_command_that_does_not_behave():
    def check(command):
        w = gateway(start=False)
        with open(w.conf_path) as f:
            conf = f.read()
        with open(w.conf_path, "w") as f:
            f.write(conf.replace('password "app-secret"', f'password-command "{command}"'))
        return h.Background([h.WEIR, "run", "-c", w.conf_path, "--check"])
    late = "password-command did not end within 10 s"
    cases = [(check(c), said) for c, said in (
        ("sleep 60", late), ("exec >&-; sleep 60", late), ("echo app-secret; sleep 60", late),
        ("trap '' TERM PIPE; while :; do echo app-secret; done", None), ("yes", None),
        ("head -c 100000 /dev/zero | tr '\\\\0' x", "longer than 1024 bytes"),
        ("kill -9 $$", "was killed"), ("echo app-secret; exit 3", "ended with status 3"))]
    for p, said in cases:
        r = p.wait(30)
        h.eq(r.code, 1 if said else 0, repr(r))
        h.has(r.err if said else r.out, said or ": ok, ")


def test_a_password_command_of_a_reload_has_its_signals():
    w = gateway(start=False)
    with open(w.conf_path) as f:
        conf = f.read()
    # What the gateway blocks would let it go on.
    with open(w.conf_path, "w") as f:
        f.write(conf.replace('password "app-secret"', 'password-command "test -e stop && '
                             'kill -TERM $$; echo app-secret"').replace("test -e stop",
                                                                        f"test -e {w.dir}/stop"))
    w.start()
    w.reload()
    said(w, "reloaded ")
    open(f"{w.dir}/stop", "w").close()
    w.reload()
    said(w, "password-command was killed")
    said(w, "reload refused")
    h.eq(w.psql("select 1").out, "1")
    h.eq(w.stop(), 0)


def test_what_cannot_start_says_why():
    w = gateway(start=False)
    r = run("-c", f"{w.dir}/none.conf")
    h.eq(r.code, 1)
    h.has(r.err, "none.conf")
    with open(w.policy, "w") as f:
        f.write("policy p\ndeny x when nonsense.fact = 1\ndefault allow\n")
    r = run("-c", w.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "error[E", "policy.weir:2")
    os.unlink(w.policy)
    r = run("-c", w.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "policy.weir", "No such file")


def test_a_target_that_cannot_be_looked_up_keeps_the_old():
    w = gateway()
    ready(w)
    with open(w.conf_path) as f:
        good = f.read()
    with open(w.conf_path, "w") as f:  # no name, so that nobody is asked
        f.write(good.replace(f"address   127.0.0.1:{pg.port}", f'address   "a..b:{pg.port}"'))
    r = run("-c", w.conf_path, "--check")
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "error[E0911]: cannot resolve 'a..b'")
    w.reload()
    said(w, "reload refused")
    h.eq(w.psql("select 1").out, "1")
    with open(w.conf_path, "w") as f:
        f.write(good)
    w.reload()
    said(w, "reloaded policy=")
    h.eq(w.stop(), 0)


def test_an_import_that_is_gone_keeps_the_old():
    w = gateway(start=False)
    with open(w.policy, "w") as f:
        f.write('policy p\nimport "part.weir"\ndeny no-drop "no" do sql.drop\ndefault allow\n')
    with open(f"{w.dir}/part.weir", "w") as f:
        f.write("deny no-insert \"no\" do sql.insert\n")
    w.start()
    os.unlink(f"{w.dir}/part.weir")
    w.reload()
    said(w, "cannot read '")
    h.has(said(w, "reload refused"), "part.weir': No such file")
    h.has(w.psql("insert into t values (1)").err, "no-insert")
    h.eq(w.stop(), 0)


def test_without_files_clients_wait_and_nothing_spins():
    w = gateway()
    h.eq(w.psql("select 1").out, "1")

    def ticks():
        with open(f"/proc/{w.p.pid}/stat") as f:
            return sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13])
    limit = resource.prlimit(w.p.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(w.p.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
    held = [socket.create_connection(("127.0.0.1", w.port)) for _ in range(20)]
    before = ticks()
    time.sleep(1)
    h.check(ticks() - before < os.sysconf("SC_CLK_TCK") // 2, "it spins")
    h.check(w.p.poll() is None, "it ended")
    resource.prlimit(w.p.pid, resource.RLIMIT_NOFILE, limit)
    for s in held:
        s.close()
    h.wait_for(lambda: w.psql("select 1").out == "1", 20, "clients come in again")
    h.wait_for(lambda: w.approvals("list").code == 0, 20, "and people")
    h.eq(w.stop(), 0)


def test_an_address_in_use_is_refused():
    w = gateway()
    ready(w)
    other = gateway(start=False)
    other.port = w.port
    other.configure()
    r = run("-c", other.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, f"cannot listen on 127.0.0.1:{w.port}", "another gateway")
    # Sharing it would have people decide on the other's commands.
    other.port, other.admin = h.free_port(), w.admin
    other.configure()
    r = run("-c", other.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, f"cannot listen on 127.0.0.1:{w.admin}", "another gateway")
    other.admin = h.free_port()
    # The same folder cannot serve two either.
    other.port, other.state = h.free_port(), w.state
    other.configure()
    r = run("-c", other.conf_path)
    h.eq(r.code, 1, repr(r))
    h.eq(w.stop(), 0)


def test_a_state_folder_has_one_gateway():
    w = gateway()
    ready(w)
    other = gateway(start=False, state=w.state)
    r = run("-c", other.conf_path)
    h.eq(r.code, 1)
    h.has(r.err, f"another gateway is using the state folder {w.state}; stop it")
    h.lacks(r.err, "temporarily")
    r = h.run(["sh", "-c", '"$0" run -c "$1" 2>&1; echo over', h.WEIR, other.conf_path])
    h.has(r.out, "configure another\nover")
    h.eq(w.stop(), 0)


def test_reload_takes_the_new_policy():
    w = gateway()
    first = re.search("digest=([0-9a-f]{64})", ready(w))[1]
    with open(w.policy, "w") as f:
        f.write(POLICY + 'deny drops "no drops"\n  do sql.drop\n')
    w.reload()
    log = said(w, "reloaded ")
    second = re.search("reloaded .*digest=([0-9a-f]{64})", log)[1]
    h.check(first != second, "the digest changed")
    h.has(log, "rules=1")
    h.eq(w.stop(), 0)
    loads = records(w, "policy.load")
    h.eq([x["body"]["outcome"] for x in loads], ["loaded", "loaded"])


def test_reload_with_errors_keeps_the_old():
    w = gateway()
    ready(w)
    with open(w.policy, "w") as f:
        f.write("policy p\ndeny x when nonsense.fact = 1\n")
    w.reload()
    log = said(w, "reload refused")
    h.has(log, "error[E", "policy.weir:2", "the policy in force stay")
    with open(w.policy, "w") as f:
        f.write(POLICY)
    with open(w.conf_path) as f:
        good = f.read()
    with open(w.conf_path, "a") as f:
        f.write("\nbanana split\n")
    w.reload()
    h.wait_for(lambda: w.log().count("reload refused") == 2, 10, "second refusal")
    h.has(w.log(), "weir.conf:")
    with open(w.conf_path, "w") as f:
        f.write(good)
    w.reload()
    said(w, "reloaded ")
    h.eq(w.stop(), 0)
    h.eq([x["body"]["outcome"] for x in records(w, "policy.load")],
         ["loaded", "refused", "refused", "loaded"])


def test_reload_refuses_what_needs_a_restart():
    w = gateway()
    ready(w)
    with open(w.conf_path) as f:
        good = f.read()
    with open(w.conf_path, "w") as f:
        f.write(good.replace('login     "app"', 'login     "other"'))
    w.reload()
    log = said(w, "reload refused")
    h.has(log, "needs a restart", "-target orders", "+target orders", "login other")
    h.lacks(log, "app-secret")
    # A principal comes and goes without one.
    with open(w.conf_path, "w") as f:
        f.write(good + '\nprincipal dee kind human groups dba-oncall key "k-dee"\n')
    w.reload()
    h.has(said(w, "reloaded "), "principals=5")
    h.eq(w.stop(), 0)
    change = records(w, "config.change")
    h.eq([x["body"]["outcome"] for x in change], ["loaded", "refused", "loaded"])
    h.has(change[2]["body"]["diff"], "+principal dee kind human groups dba-oncall key #")
    h.lacks(change[2]["body"]["diff"], "k-dee", "planner-7")


def test_reload_takes_the_limits_of_sessions():
    w = gateway()
    long = "select '" + "x" * 100_000 + "'"
    h.eq(w.psql(long).code, 0)
    with open(w.conf_path, "a") as f:
        f.write("limit message 64KiB\n")
    w.reload()
    said(w, "reloaded ")
    r = w.psql(long)
    h.check(r.code != 0, repr(r)[:300])
    h.has(r.err, "WEIR-TOO-LARGE")
    h.eq(w.psql("select 1").code, 0)
    with open(w.conf_path, "a") as f:
        f.write("limit login 1s\n")
    w.reload()
    h.wait_for(lambda: w.log().count("reloaded ") == 2, 10, "the second reload")
    with socket.create_connection(("127.0.0.1", w.port)) as s:
        s.settimeout(15)
        while s.recv(4096):  # says nothing, and is sent away; 30 s is what it was
            pass
    h.eq(w.stop(), 0)
    change = [x["body"].get("diff") for x in records(w, "config.change")]
    h.has(change[1], "-limit message 16777216", "+limit message 65536")
    h.has(change[2], "-limit login 30s", "+limit login 1s")


def test_counters_on_request():
    w = gateway()
    ready(w)
    path = f"{w.state}/counters.json"
    for n in (1, 2):
        w.p.send_signal(signal.SIGUSR1)
        h.wait_for(lambda: os.path.exists(path) and open(path).read().count("\n") == n, 10,
                   f"{n} lines of counters")
    with open(path) as f:
        lines = [json.loads(x) for x in f]
    for name in ("weir_connections_total", "weir_audit_records_total", "weir_ring_enters_total",
                 "weir_catalog_reads_total", 'weir_decisions_total{decision="deny"}'):
        h.check(name in lines[0], name)
    h.check(lines[1]["weir_ring_turns_total"] >= lines[0]["weir_ring_turns_total"], "rises")
    h.eq(w.stop(), 0)


def admin_get(w, path, user="ana"):
    q = urllib.request.Request(f"http://127.0.0.1:{w.admin}{path}",
                               headers={"Authorization": f"Bearer {h.KEYS[user]}",
                                        "X-Weir-Principal": user})
    with urllib.request.urlopen(q, timeout=10) as r:
        return r.read().decode()


def test_status_and_metrics():
    w = gateway()
    ready(w)
    s = json.loads(admin_get(w, "/v1/status"))
    h.eq((s["state"], s["policy"]["name"], s["targets"], s["audit"]["state"]),
         ("running", "p", 1, "open"))
    m = admin_get(w, "/v1/metrics")
    h.has(m, "# TYPE weir_decisions_total counter", 'weir_decisions_total{decision="allow"} 0',
          "weir_audit_state 0", "weir_uptime_seconds")
    h.eq(m.count("# TYPE weir_decisions_total"), 1)
    h.eq(w.stop(), 0)


def image(folder, name, key, counter, text=POLICY):
    """Builds an image; the public key it was signed with."""
    with open(f"{folder}/{name}.weir", "w") as f:
        f.write(text)
    r = h.weir("build", f"{folder}/{name}.weir", "-o", f"{folder}/{name}.img", "--key",
               f"{folder}/{key}", "--counter", str(counter))
    h.eq(r.code, 0, repr(r))
    return re.search(r"signed by  ([0-9a-f]{64})", r.out)[1]


def test_only_a_named_signer_counts():
    w = gateway(start=False)
    folder = os.path.dirname(w.conf_path)
    ours, other = image(folder, "p", "ours.key", 7), image(folder, "q", "other.key", 9)
    conf = re.sub(r"(?m)^policy .*\n", "", open(w.conf_path).read())

    def policy(line):
        with open(w.conf_path, "w") as f:
            f.write(f"{line}\n{conf}")

    def refused(line, *words):
        policy(line)
        r = run("-c", w.conf_path, "--check")
        h.eq(r.code, 1, repr(r))
        h.has(r.err, *words)
    refused('policy "p.img"', "whose signature counts", "signed-by", "--allow-unsigned")
    refused(f'policy "p.img" signed-by "{other}"', "V0107")
    refused(f'policy "p.weir" signed-by "{ours}"', "nobody has signed")
    policy('policy "p.img"')
    h.eq(run("-c", w.conf_path, "--check", "--allow-unsigned").code, 0)
    policy(f'policy "p.img" signed-by "{ours}", "{other}"')
    w.start()
    # Back to an older one: refused, the newer stays. Forward: taken.
    image(folder, "p", "ours.key", 6, POLICY + "allow older do sql.select\n")
    w.reload()
    said(w, "at least 7 is asked for")
    said(w, "reload refused")
    image(folder, "p", "ours.key", 8, POLICY + "allow newer do sql.select\n")
    w.reload()
    said(w, "reloaded policy=p")
    h.eq(w.stop(), 0)


def test_no_older_image_is_loaded_after_a_restart():
    w = gateway(start=False)
    folder, state = os.path.dirname(w.conf_path), f"{w.state}/policy"
    conf = re.sub(r"(?m)^policy .*\n", "", open(w.conf_path).read())
    ours = image(folder, "p", "ours.key", 7)
    other = image(folder, "q", "other.key", 6)

    def trust(name, *keys):
        with open(w.conf_path, "w") as f:
            f.write(f'policy "{name}.img" signed-by ' + ", ".join(f'"{k}"' for k in keys) + f"\n{conf}")

    def refused(*words):
        for how in (["--check"], []):
            r = run("-c", w.conf_path, *how)
            h.eq(r.code, 1, repr(r))
            h.has(r.err, *words)
    trust("p", ours, other)
    h.eq(run("-c", w.conf_path, "--check").code, 0)
    h.check(not os.path.exists(state), "a check makes nothing")
    w.start()
    image(folder, "p", "ours.key", 8)
    w.reload()
    said(w, "reloaded policy=p")
    h.eq(w.stop(), 0)
    # What a reload brought counts, of whichever key that is trusted.
    image(folder, "p", "ours.key", 7)
    refused("V0108", "at least 8", "weir build --counter")
    trust("q", ours, other)
    refused("V0108", "at least 8")
    trust("q", other)  # a key that is no longer trusted binds nobody
    w.start()
    h.eq(w.stop(), 0)
    trust("p", ours, other)
    refused("V0108", "at least 8")
    image(folder, "p", "ours.key", 8)
    w.start()
    h.eq(w.stop(), 0)
    whole = open(state, "rb").read()
    for damaged in (whole[:-1], b"", whole.replace(b"\x08", b"\x01"), whole + b"x"):
        with open(state, "wb") as f:
            f.write(damaged)
        refused(f"{state} is damaged")
    os.remove(state)
    w.start()
    h.eq(open(state, "rb").read().count(bytes.fromhex(ours)), 1)
    # Without the file, what is in force still is not older than itself.
    os.remove(state)
    image(folder, "p", "ours.key", 7, POLICY + "allow older do sql.select\n")
    w.reload()
    said(w, "at least 8 is asked for")
    h.eq(w.stop(), 0)


def test_a_policy_that_fails_its_own_tests_is_refused():
    text = POLICY + ('group agents = idp "ai-agents"\ntarget orders = postgres "orders"\n'
                     'test "nothing is allowed" as agent "x" in agents on orders run "select a from t" '
                     'expect deny\n')
    w = gateway(start=False, policy=text)
    r = run("-c", w.conf_path, "--check")
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "nothing is allowed", "1 of its own tests failed", "weir test")


def test_a_policy_whose_proof_does_not_hold_is_refused():
    w = gateway(start=False, policy=POLICY + "prove nobody runs sql.select without a hold\n")
    r = run("-c", w.conf_path, "--check")
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "not proved: nobody runs sql.select without a hold", "1 of its proofs do not hold")


def test_refused_admin_keys_are_recorded():
    w = gateway()
    ready(w)
    r = h.weir("approvals", "list", "--as", "ana", "-c", w.conf_path, env={"WEIR_KEY": "wrong"})
    h.check(r.code != 0, repr(r))
    h.eq(w.stop(), 0)
    fails = records(w, "auth.fail")
    h.eq([(x["body"]["method"], x["body"]["claimed"]) for x in fails], [("admin-key", "ana")])


def test_strangers_do_not_fill_the_disk():
    w = gateway(extra="limit workers 1\n")
    ready(w)
    began, n = time.monotonic(), 60
    # Always the same one would be answered later and later.
    for i in range(n):
        h.check(w.psql("select 1", user="n" * (1990 + i // 5), key="wrong").code != 0, "let in")
    took = time.monotonic() - began
    time.sleep(0.2)
    w.psql("select 1", user="ana", key="wrong")
    h.eq(w.psql("select 1").out, "1")
    h.has(admin_get(w, "/v1/metrics"), f'weir_auth_failures_total{{listener="postgres"}} {n + 1}')
    h.eq(w.stop(), 0)
    fails = [x["body"] for x in records(w, "auth.fail")]
    h.check(len(fails) <= 10 * took + 3, f"{len(fails)} records in {took} s")
    h.eq(sum(x["count"] for x in fails), n + 1, "all are counted")
    h.eq((fails[0]["claimed"], fails[-1]["claimed"]), ("n" * 128, "ana"))


def test_nobody_writes_lines_of_the_log():
    """By names that he gives himself, or to tables."""
    w = gateway(policy=POLICY + 'deny no-drop "no" do sql.drop notify lg\n', extra="channel lg log\n")
    name = "ana\" from=10.0.0.1\r\n2026-01-01 error forged\u009b31m\u202e\u2028\x1b[2J"
    q = urllib.request.Request(f"http://127.0.0.1:{w.admin}/v1/status", headers={
        "Authorization": "Basic " + base64.b64encode(f"{name}:x".encode()).decode()})
    try:
        urllib.request.urlopen(q, timeout=10)
    except urllib.error.HTTPError as e:
        h.eq(e.code, 401)
    said(w, 'refused-key principal="ana\\" from=10.0.0.1\\u000d\\n2026-01-01 error forged'
            '\\u009b31m\\u202e\\u2028\\u001b[2J" from=127.0.0.1\n')
    h.check(w.psql('drop table "x\r\n2026 error forged\u009b31m\u0085\u202e"').code != 0, "dropped")
    said(w, '"tables":["x\\u000d\\n2026 error forged\\u009b31m\\u0085\\u202e"]')
    h.eq(w.stop(), 0)
    with open(f"{w.dir}/log", "rb") as f:
        h.check(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80", f.read()),
                "what a terminal would obey")


def test_systemd_is_told():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        path = f"{h.tmp()}/notify"
        s.bind(path)
        s.settimeout(10)
        w = gateway(env={"NOTIFY_SOCKET": path})
        h.has(s.recv(4096).decode(), "READY=1")
        w.reload()
        h.has(s.recv(4096).decode(), "RELOADING=1", "MONOTONIC_USEC=")
        h.has(s.recv(4096).decode(), "READY=1", "STATUS=serving")
        with open(w.policy, "w") as f:
            f.write("nonsense\n")
        w.reload()
        h.has(s.recv(4096).decode(), "RELOADING=1")
        h.has(s.recv(4096).decode(), "READY=1", "STATUS=serving; the last reload was refused")
        w.p.send_signal(signal.SIGTERM)
        h.has(s.recv(4096).decode(), "STOPPING=1")
        h.eq(w.p.wait(20), 0)


def worker_thread(w):
    for task in os.listdir(f"/proc/{w.p.pid}/task"):
        with open(f"/proc/{w.p.pid}/task/{task}/comm") as f:
            if f.read().strip() == "weir-worker-0":
                return int(task)
    raise h.Failure("no worker")


def test_the_watchdog_is_told_while_all_workers_turn():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    seize, interrupt, detach = 0x4206, 0x4207, 17
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        path = f"{h.tmp()}/watchdog"
        s.bind(path)
        s.settimeout(20)
        w = gateway(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000"}, start=False)
        w.start(args=["--core"])  # so that we may hold one of its threads
        for want in ("READY=1", "WATCHDOG=1", "WATCHDOG=1"):
            h.has(s.recv(4096).decode(), want)
        tid = worker_thread(w)
        h.eq(libc.ptrace(seize, tid, 0, 0), 0, f"ptrace: {os.strerror(ctypes.get_errno())}")
        libc.ptrace(interrupt, tid, 0, 0)
        said(w, "worker 0 does not answer")
        s.setblocking(False)
        while True:  # what was on its way
            try:
                s.recv(4096)
            except BlockingIOError:
                break
        h.eq(h.wait_for(lambda: w.log().count("does not answer") >= 3, 20) and select.select(
            [s], [], [], 0)[0], [], "signs of life")
        os.waitpid(tid, 0x40000000)  # __WALL: it is stopped
        libc.ptrace(detach, tid, 0, 0)
        s.setblocking(True)
        s.settimeout(20)
        h.has(s.recv(4096).decode(), "WATCHDOG=1")
        h.eq(w.psql("select 1").out, "1")
        h.eq(w.stop(), 0)


def test_libpq_variables_change_nothing():
    w = gateway(env={"PGHOST": "192.0.2.1", "PGSSLMODE": "verify-full", "PGSERVICE": "none",
                     "PGOPTIONS": "-c nonsense=1", "PGPASSWORD": "wrong"})
    said(w, "catalog target=orders relations=")
    h.eq(w.stop(), 0)


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
