# SPDX-License-Identifier: MIT
"""An editor as far as the language server can tell: speaks LSP to the real program.

    with Editor() as e:
        e.open("a.weir", "policy p\\n")
        e.diagnostics("a.weir")
        e.ask("textDocument/hover", e.at("a.weir", "pol^icy"))
"""
import json, os, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness as h


class Refused(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message = error["code"], error["message"]


class Editor:
    def __init__(self, folder=None, encodings=None, start=True):
        self.folder = folder or h.tmp()
        self.p = subprocess.Popen([h.WEIR, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        h.on_exit(lambda: h.end(self.p))
        self.next, self.told, self.texts, self.versions = 1, {}, {}, {}
        general = {"positionEncodings": encodings} if encodings else {}
        if start:
            self.capabilities = self.ask("initialize", {
                "processId": os.getpid(), "rootUri": self.uri(""),
                "capabilities": {"general": general}})["capabilities"]
            self.tell("initialized", {})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.p.poll() is None:
            self.ask("shutdown")
            self.tell("exit")
            h.eq(self.p.wait(10), 0, "exit code")
        self.p.stdin.close()
        self.p.stdout.close()

    def uri(self, name):
        return name if ":" in name else f"file://{self.folder}/{name}".replace(" ", "%20")

    # -- messages --------------------------------------------------------------------------------

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.p.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.p.stdin.flush()

    def receive(self):
        head = {}
        while (line := self.p.stdout.readline()) not in (b"\r\n", b""):
            name, value = line.decode().split(":", 1)
            head[name.lower()] = value.strip()
        h.check(head, "the server ended")
        message = json.loads(self.p.stdout.read(int(head["content-length"])))
        h.eq(message["jsonrpc"], "2.0")
        if message.get("method") == "textDocument/publishDiagnostics":
            self.told[message["params"]["uri"]] = message["params"]
        return message

    def tell(self, method, params=None):
        self.send({"method": method, **({} if params is None else {"params": params})})

    def ask(self, method, params=None):
        id, self.next = self.next, self.next + 1
        self.send({"id": id, "method": method, **({} if params is None else {"params": params})})
        while True:
            m = self.receive()
            if "method" in m:
                continue
            h.eq(m["id"], id, "id of the answer")
            if "error" in m:
                raise Refused(m["error"])
            return m["result"]

    # -- documents -------------------------------------------------------------------------------

    def document(self, name):
        return {"textDocument": {"uri": self.uri(name)}}

    def open(self, name, text):
        self.texts[name], self.versions[name] = text, 1
        self.tell("textDocument/didOpen", {"textDocument": {
            "uri": self.uri(name), "languageId": "weir", "version": 1, "text": text}})

    def change(self, name, *changes):
        """Whole texts, or (start, end, text) with places as the server counts them."""
        self.versions[name] += 1
        self.tell("textDocument/didChange", {
            "textDocument": {"uri": self.uri(name), "version": self.versions[name]},
            "contentChanges": [{"text": c} if isinstance(c, str) else
                               {"range": {"start": c[0], "end": c[1]}, "text": c[2]}
                               for c in changes]})

    def close(self, name):
        self.tell("textDocument/didClose", self.document(name))

    def diagnostics(self, name):
        """What was pushed last. Pushed is when all that has come is answered: the second answer
        can only come after that."""
        for _ in range(2):
            try:
                self.ask("weir/none")
            except Refused as r:
                h.eq(r.code, -32601)
        return self.told.get(self.uri(name), {}).get("diagnostics")

    def codes(self, name):
        found = self.diagnostics(name)
        return None if found is None else [d["code"] for d in found]

    def at(self, name, marked, text=None):
        """Where the text reads like `marked`, at its ^."""
        text = self.texts[name] if text is None else text
        plain = marked.replace("^", "", 1)
        h.eq(text.count(plain), 1, f"{plain!r} in {name}")
        return {**self.document(name),
                "position": place(text, text.index(plain) + marked.index("^"))}

    def labels(self, name, marked):
        """Opens the text with the ^ taken out and completes there."""
        text = marked.replace("^", "", 1)
        self.open(name, text)
        found = self.ask("textDocument/completion", {
            **self.document(name), "position": place(text, marked.index("^"))})
        return {i["label"] for i in found["items"]}


def place(text, at):
    """In UTF-16 units."""
    line = text.rfind("\n", 0, at) + 1
    return {"line": text.count("\n", 0, at),
            "character": len(text[line:at].encode("utf-16-le")) // 2}


def apply(text, edits):
    """What the text is after edits; places in UTF-16 units."""
    def offset(p):
        lines = text.split("\n")
        before = sum(len(x) + 1 for x in lines[:p["line"]])
        units = lines[p["line"]].encode("utf-16-le")[:p["character"] * 2]
        return before + len(units.decode("utf-16-le"))
    for e in sorted(edits, key=lambda e: -offset(e["range"]["start"])):
        a, b = offset(e["range"]["start"]), offset(e["range"]["end"])
        text = text[:a] + e["newText"] + text[b:]
    return text


def named(edits_or_places, text):
    """The pieces of the text that ranges are of."""
    lines = text.split("\n")
    out = []
    for r in edits_or_places:
        r = r["range"]
        h.eq(r["start"]["line"], r["end"]["line"])
        out.append(lines[r["start"]["line"]][r["start"]["character"]:r["end"]["character"]])
    return out


def compiled(paths):
    """For each file (line, column, text) of all tokens, by what the compiler says they are."""
    out = []
    with Editor() as e:
        legend = e.capabilities["semanticTokensProvider"]["legend"]["tokenTypes"]
        for path in paths:
            with open(path, encoding="utf-8") as f:
                text = f.read()
            e.open(path, text)
            data = e.ask("textDocument/semanticTokens/full", e.document(path))["data"]
            line = column = 0
            found = {}
            for i in range(0, len(data), 5):
                line, column = line + data[i], data[i + 1] + (0 if data[i] else column)
                found.setdefault(legend[data[i + 3]], set()).add(
                    (line, column, text.split("\n")[line][column:column + data[i + 2]]))
            out.append(found)
    return out
