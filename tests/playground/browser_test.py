#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The playground's page in a real browser, typed into over the DevTools protocol."""
import asyncio, json, os, re, subprocess, sys, urllib.request

import websockets

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness as h

page = None
server = None
url = None


class Page:
    """One tab. Everything that goes wrong in it is kept in `trouble`."""

    def __init__(self, address):
        self.loop, self.n, self.trouble, self.asked = asyncio.new_event_loop(), 0, [], []
        self.socket = self.loop.run_until_complete(self._connect(address))
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    async def _connect(self, address):
        return await websockets.connect(address, max_size=None)

    def close(self):
        self.loop.run_until_complete(self.socket.close())

    def do(self, method, **params):
        return self.loop.run_until_complete(asyncio.wait_for(self._do(method, params), 30))

    async def _do(self, method, params):
        self.n += 1
        await self.socket.send(json.dumps({"id": self.n, "method": method, "params": params}))
        while True:
            m = json.loads(await self.socket.recv())
            if m.get("id") == self.n:
                if "error" in m:
                    raise h.Failure(f"{method}: {m['error']}")
                return m["result"]
            if m.get("method") in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
                self.trouble.append(json.dumps(m["params"])[:500])
            if m.get("method") == "Log.entryAdded" and m["params"]["entry"]["level"] == "error":
                self.trouble.append(m["params"]["entry"]["text"])
            if m.get("method") == "Network.requestWillBeSent":
                self.asked.append(m["params"]["request"]["url"])

    def js(self, text):
        r = self.do("Runtime.evaluate", expression=text, returnByValue=True, awaitPromise=True)
        h.check("exceptionDetails" not in r, str(r.get("exceptionDetails")))
        return r["result"].get("value")

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)}).innerText")

    def settled(self):
        h.wait_for(lambda: self.text("#state") == "up to date", 15, "an answer")

    def open(self, to):
        self.do("Page.navigate", url="about:blank")
        self.do("Page.navigate", url=to)
        h.wait_for(lambda: self.js("document.readyState === 'complete' && !!document.querySelector("
                                   "'#state')"), 15, "the page")
        self.settled()

    def type(self, field, text, instead_of=None):
        """Puts a selection into a field, as a mouse would, and types over it."""
        self.js(f"""(() => {{ const e = document.getElementById({json.dumps(field)}); e.focus();
            const what = {json.dumps(instead_of)};
            const at = what === null ? 0 : e.value.indexOf(what);
            if (at < 0) throw new Error("not there: " + what);
            e.setSelectionRange(at, what === null ? e.value.length : at + what.length); }})()""")
        self.do("Input.insertText", text=text)
        self.settled()

    def key(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def set_up():
    global page, server, url
    server = h.spawn([f"{h.ROOT}/build/weir", "playground", "--port", "0"], stdout=subprocess.PIPE)
    url = server.stdout.readline().decode().strip()
    folder = f"{h.tmp()}/chromium"
    h.spawn(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=h.tmp()))
    active = f"{folder}/DevToolsActivePort"
    h.wait_for(lambda: os.path.exists(active) and os.path.getsize(active) > 10, 60, "a browser")
    with open(active) as f:
        port = f.readline().strip()
    def tabs():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as r:
            return [t for t in json.load(r) if t["type"] == "page"]
    page = Page(h.wait_for(tabs, 20, "a tab")[0]["webSocketDebuggerUrl"])
    h.on_exit(page.close)


def test_a_masked_row_is_shown():
    page.open(url)
    h.has(page.text("#verdict"), "ALLOW", "by app-data")
    h.eq(page.js("document.querySelector('#shown td.masked').innerText"), "************1111")
    h.has(page.text("#shown"), "Masked by card")
    h.has(page.text("#explanation"), "allow app-data", "who agents, dba")
    page.js("document.querySelectorAll('details').forEach((d) => d.open = true)")
    h.has(page.text("#bytecode"), "; policy.weir:", "action-in")
    h.has(page.text("#counts"), "11 passed, 0 failed")


def test_an_edit_of_the_policy_changes_the_verdict():
    page.open(url)
    page.type("policy", "sql.basics, sql.insert", "sql.basics, sql.select, sql.insert")
    h.has(page.text("#verdict"), "DENY", "default")
    h.eq(page.js("document.querySelectorAll('#shown td').length"), 0)
    page.type("policy", "sql.basics, sql.select, sql.insert", "sql.basics, sql.insert")
    h.has(page.text("#verdict"), "ALLOW")
    page.type("sql", "drop table people")
    h.has(page.text("#verdict"), "HOLD", "by ddl")
    page.type("policy", "with first(6)", "with last(4)")
    page.type("sql", "select pan from payments.cards")
    h.eq(page.js("document.querySelector('#shown td.masked').innerText"), "411111**********")


def test_a_syntax_error_shows_its_caret():
    page.open(url)
    page.type("policy", "mask cart with", "mask card with")
    h.has(page.text("#problems"), "cart", "did you mean 'card'?")
    line, caret = page.js("document.querySelector('#problems pre').textContent").split("\n")
    h.eq(line[caret.index("^"):caret.rindex("^") + 1], "cart")
    h.eq(page.js("document.querySelector('#colours .wrong').textContent"), "cart")
    h.has(page.text("#verdict"), "Nothing is decided")
    page.js("document.querySelector('#problems button').focus()")
    page.key("Enter", 13)
    page.do("Input.dispatchKeyEvent", type="char", text="\r")
    h.eq(page.js("(() => { const e = document.activeElement; return e.value.slice(e.selectionStart, "
                 "e.selectionEnd); })()"), "cart")
    page.type("principal", 'agent "x" in agnets')
    page.type("policy", "mask card with", "mask cart with")
    h.has(page.text("#command"), "principal", "agnets")


def test_what_looks_like_html_is_text():
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    page.open(url)
    page.type("rows", f'item: "{evil}"')
    page.type("sql", "select item from orders")
    h.eq(page.text("#shown td"), evil)
    page.type("policy", f'"{evil}"', '"agents and DBAs may read and change rows"')
    h.has(page.text("#explanation"), evil)
    page.type("sql", f"select '{evil}' from orders where")
    page.type("principal", f'agent "{evil}" in {evil}')
    h.eq(page.js("document.querySelectorAll('img, main script, header script').length"), 0)
    h.eq(page.js("document.querySelector('#colours').textContent.trimEnd()"),
         page.js("document.querySelector('#policy').value.trimEnd()"))


def test_a_link_carries_what_is_in_the_page():
    page.open(url)
    page.type("sql", "select item from orders -- ≠ <b>")
    page.type("rows", 'item: "ä€𝄞"')
    link = page.js("location.href")
    page.open(link)
    h.eq(page.js("document.querySelector('#sql').value"), "select item from orders -- ≠ <b>")
    h.eq(page.text("#shown td"), "ä€𝄞")
    page.open(url + "#" + "not-base64-!!")
    h.has(page.text("#verdict"), "ALLOW")


def example(name):
    """A policy with its imports in their places."""
    with open(f"{h.ROOT}/policies-examples/{name}", encoding="utf-8") as f:
        return re.sub(r'^import "(.*)"$', lambda m: f"# {m[0]}\n{example(m[1])}", f.read(), flags=re.M)


def test_examples_work():
    page.open(url)
    names = page.js("[...document.querySelectorAll('#example option')].map((o) => o.value)")
    h.eq(sorted(filter(None, names)),
         sorted(f for f in os.listdir(f"{h.ROOT}/policies-examples") if f.endswith(".weir")))
    for name in filter(None, names):
        page.js(f"(() => {{ const e = document.querySelector('#example'); e.value = '{name}'; "
                "e.dispatchEvent(new Event('change')); })()")
        text = example(name)
        h.wait_for(lambda: page.js("document.querySelector('#policy').value") == text, 10, name)
        page.settled()
        h.eq(page.text("#problems"), "", name)
        h.eq(page.text("#command"), "", name)
        h.has(page.text("#verdict"), "ALLOW")
        masked = page.js("document.querySelectorAll('#shown td.masked, #shown td.null').length")
        h.eq(masked > 0, "\nmask " in text, f"{name}: masked cells")
        h.eq(page.js("document.querySelector('#schema').value !== ''"),
             "\ncatalog " in text or name == "tenants.weir", f"{name}: schema")


def test_a_mistake_in_what_a_catalog_names_is_the_schemas():
    page.open(url)
    page.type("schema", "create tabel people (id int);")
    page.type("policy", 'target orders = postgres "orders"\ncatalog "app/orders.sql"',
              'target orders = postgres "orders"')
    h.has(page.text("#problems"), "schema 1:")
    page.js("document.querySelector('#problems button').click()")
    h.eq(page.js("document.activeElement.id"), "schema")


def put_policy(text):
    """As if it were pasted; returns when there is an answer."""
    page.js(f"""(() => {{ const e = document.querySelector('#policy'); e.value = {json.dumps(text)};
                e.dispatchEvent(new Event('input')); }})()""")
    h.wait_for(lambda: page.text("#state") not in ("", "evaluating"), 20, "an answer")


def test_long_policies():
    page.open(url)
    text = page.js("document.querySelector('#policy').value") + "".join(
        f'deny x{i} "x"   do sql.drop   when table = "a.t{i}"\n' for i in range(1000))
    put_policy(text)
    h.eq(page.text("#state"), "up to date")
    h.has(page.text("#verdict"), "ALLOW", "by app-data")
    put_policy(text + 'deny x "x" do\n' * 80000)
    h.has(page.text("#state"), "larger than 1 MiB")
    h.eq(page.js("document.querySelectorAll('#colours span').length"), 0)  # which would take seconds
    h.has(page.text("#verdict"), "Nothing is known")  # of the shorter one it was
    h.eq([page.text(f"#{id}") for id in ("shown", "explanation", "counts")], ["", "", ""])
    page.trouble = [t for t in page.trouble if "413" not in t]


def test_keys_labels_and_colours():
    page.open(url)
    h.eq(page.js("[...document.querySelectorAll('textarea, input, select')].filter("
                 "(e) => !e.labels.length).map((e) => e.id)"), [])
    page.js("document.querySelector('#example').focus()")
    seen = []
    for _ in range(16):
        page.key("Tab", 9)
        seen.append(page.js("document.activeElement.id || document.activeElement.tagName"))
    h.eq(seen[:6], ["policy", "schema", "principal", "on", "sql", "rows"])
    h.check("SUMMARY" in seen and "explanation" in seen, str(seen))
    for kind, word in (("declaration", "allow"), ("declaration", "group"), ("clause", "when"),
                       ("known", "sql.select")):
        h.check(page.js(f"[...document.querySelectorAll('#colours .{kind}')].some("
                        f"(e) => e.textContent === '{word}')"), f"{word} is no {kind}")
    backs = []
    for scheme in ("light", "dark"):
        page.do("Emulation.setEmulatedMedia",
                features=[{"name": "prefers-color-scheme", "value": scheme}])
        backs.append(page.js("getComputedStyle(document.body).backgroundColor"))
    h.eq(backs, ["rgb(255, 255, 255)", "rgb(20, 23, 27)"])


def test_on_a_narrow_screen():
    page.do("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    page.open(url)
    h.eq(page.js("document.documentElement.scrollWidth"), 400)
    for sql, verdict in (("drop table people", "HOLD"), ("truncate people; select 1", "HOLD"), ("vacuum", "DENY")):
        page.js("document.querySelector('#sql').select()")
        page.do("Input.insertText", text=sql)
        page.settled()
        h.eq(page.text("#brief"), verdict)
        seen = page.js("(() => { const r = document.querySelector('#brief').getBoundingClientRect(); "
                       "return r.height > 0 && r.top >= 0 && r.bottom <= innerHeight; })()")
        h.check(seen, f"{verdict} is out of sight")
    page.do("Emulation.clearDeviceMetricsOverride")
    h.check(page.js("getComputedStyle(document.querySelector('#brief')).display === 'none' || innerWidth < 1072"),
            "the verdict is there twice")


def test_a_server_that_is_gone_is_told():
    page.open(url)
    h.end(server)
    page.js("document.querySelector('#sql').focus()")
    page.do("Input.insertText", text="x")
    h.wait_for(lambda: "does not answer" in page.text("#state"), 10, "a message")
    h.has(page.text("#verdict"), "Nothing is known")
    page.trouble = [t for t in page.trouble if "ERR_CONNECTION_REFUSED" not in t]


def test_nothing_went_wrong_and_nobody_else_was_asked():
    h.eq(page.trouble, [])
    h.eq([u for u in page.asked if not u.startswith((url, "about:"))],
         [])
    h.check(len(page.asked) > 10, "requests were not seen")


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=set_up)
