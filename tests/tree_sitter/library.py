# SPDX-License-Identifier: MIT
"""The grammar of editors/tree-sitter-weir in Debian's libtree-sitter: trees and queries."""
import ctypes, os, re, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GRAMMAR = f"{ROOT}/editors/tree-sitter-weir"
U32 = ctypes.c_uint32


class _Node(ctypes.Structure):
    _fields_ = [("context", U32 * 4), ("id", ctypes.c_void_p), ("tree", ctypes.c_void_p)]


class _Cursor(ctypes.Structure):
    _fields_ = [("tree", ctypes.c_void_p), ("id", ctypes.c_void_p), ("context", U32 * 2)]


class _Capture(ctypes.Structure):
    _fields_ = [("node", _Node), ("index", U32)]


class _Match(ctypes.Structure):
    _fields_ = [("id", U32), ("pattern", ctypes.c_uint16), ("n", ctypes.c_uint16),
                ("captures", ctypes.POINTER(_Capture))]


class _Step(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("value", U32)]


STEP_END, STEP_CAPTURE, STEP_STRING = 0, 1, 2
P, NODE, TEXT, CURSOR = ctypes.c_void_p, _Node, ctypes.c_char_p, ctypes.POINTER(_Cursor)
CALLS = {
    "ts_parser_new": (P,), "ts_parser_set_language": (ctypes.c_bool, P, P),
    "ts_parser_parse_string": (P, P, P, TEXT, U32), "ts_tree_root_node": (NODE, P),
    "ts_tree_delete": (None, P), "ts_node_type": (TEXT, NODE), "ts_node_start_byte": (U32, NODE),
    "ts_node_end_byte": (U32, NODE), "ts_node_is_named": (ctypes.c_bool, NODE),
    "ts_node_is_missing": (ctypes.c_bool, NODE), "ts_node_has_error": (ctypes.c_bool, NODE),
    "ts_node_string": (P, NODE),
    "ts_tree_cursor_new": (_Cursor, NODE), "ts_tree_cursor_delete": (None, CURSOR),
    "ts_tree_cursor_current_node": (NODE, CURSOR),
    "ts_tree_cursor_current_field_name": (TEXT, CURSOR),
    "ts_tree_cursor_goto_first_child": (ctypes.c_bool, CURSOR),
    "ts_tree_cursor_goto_next_sibling": (ctypes.c_bool, CURSOR),
    "ts_tree_cursor_goto_parent": (ctypes.c_bool, CURSOR),
    "ts_query_new": (P, P, TEXT, U32, ctypes.POINTER(U32), ctypes.POINTER(ctypes.c_int)),
    "ts_query_pattern_count": (U32, P), "ts_query_start_byte_for_pattern": (U32, P, U32),
    "ts_query_predicates_for_pattern":
        (ctypes.POINTER(_Step), P, U32, ctypes.POINTER(U32)),
    "ts_query_capture_name_for_id": (TEXT, P, U32, ctypes.POINTER(U32)),
    "ts_query_string_value_for_id": (TEXT, P, U32, ctypes.POINTER(U32)),
    "ts_query_cursor_new": (P,), "ts_query_cursor_delete": (None, P),
    "ts_query_cursor_exec": (None, P, P, NODE),
    "ts_query_cursor_next_match": (ctypes.c_bool, P, ctypes.POINTER(_Match)),
}


class Node:
    """A node with its children, copied out of the tree."""

    def __init__(self, lib, cursor, text):
        node = lib.ts_tree_cursor_current_node(cursor)
        field = lib.ts_tree_cursor_current_field_name(cursor)
        self.type, self.field = lib.ts_node_type(node).decode(), field and field.decode()
        self.start, self.end = lib.ts_node_start_byte(node), lib.ts_node_end_byte(node)
        self.text = text[self.start:self.end].decode(errors="replace")
        self.named, self.missing = lib.ts_node_is_named(node), lib.ts_node_is_missing(node)
        self.children = []
        more = lib.ts_tree_cursor_goto_first_child(cursor)
        while more:
            self.children.append(Node(lib, cursor, text))
            more = lib.ts_tree_cursor_goto_next_sibling(cursor)
        if self.children:
            lib.ts_tree_cursor_goto_parent(cursor)

    def walk(self):
        yield self
        for c in self.children:
            yield from c.walk()

    def wrong(self):
        """Where the text was not understood."""
        return [n for n in self.walk() if n.type == "ERROR" or n.missing]


class Library:
    """Compiles src/parser.c into `folder` and loads it."""

    def __init__(self, folder):
        so = f"{folder}/weir.so"
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror",
                        "-Wno-unused-but-set-variable", "-I", f"{GRAMMAR}/src",
                        "-o", so, f"{GRAMMAR}/src/parser.c"], check=True)
        self.lib = ctypes.CDLL("libtree-sitter.so.0")
        for name, (result, *arguments) in CALLS.items():
            getattr(self.lib, name).restype = result
            getattr(self.lib, name).argtypes = arguments
        self.libc = ctypes.CDLL(None)
        self.libc.free.argtypes = (P,)
        make = ctypes.CDLL(so).tree_sitter_weir
        make.restype = P
        self.language = make()
        self.parser = self.lib.ts_parser_new()
        if not self.lib.ts_parser_set_language(self.parser, self.language):
            raise RuntimeError("libtree-sitter does not take the parser: another version")

    def _tree(self, text, use):
        tree = self.lib.ts_parser_parse_string(self.parser, None, text, len(text))
        try:
            return use(self.lib.ts_tree_root_node(tree))
        finally:
            self.lib.ts_tree_delete(tree)

    def parse(self, text):
        text = text.encode() if isinstance(text, str) else text
        return self._tree(text, lambda root: self._copied(root, text))

    def _copied(self, root, text):
        cursor = self.lib.ts_tree_cursor_new(root)
        node = Node(self.lib, ctypes.byref(cursor), text)
        self.lib.ts_tree_cursor_delete(ctypes.byref(cursor))
        return node

    def written(self, text):
        """The tree as the files of test/corpus/ have it: a node a line."""
        def show(root):
            string = self.lib.ts_node_string(root)
            shown = ctypes.string_at(string).decode()
            self.libc.free(string)
            return shown
        depth, lines = 0, []
        for part in re.split(r"(?<!:) (?=(?:\w+: )?\()", self._tree(text.encode(), show)):
            lines.append("  " * depth + part)
            brackets = re.sub(r"""'.*?'(?=\))|".*?"(?=\))""", "", part)
            depth += brackets.count("(") - brackets.count(")")
        return "\n".join(lines)

    def understands(self, text):
        return self._tree(text.encode(), lambda root: not self.lib.ts_node_has_error(root))


class Query:
    def __init__(self, library, name):
        with open(f"{GRAMMAR}/queries/{name}", "rb") as f:
            source = f.read()
        self.parsers, self.lib = library, library.lib
        at, kind = U32(), ctypes.c_int()
        self.query = self.lib.ts_query_new(library.language, source, len(source),
                                           ctypes.byref(at), ctypes.byref(kind))
        if not self.query:
            line = source[:at.value].count(b"\n") + 1
            raise RuntimeError(f"{name}:{line}: no such query (error {kind.value}): "
                               f"{source[at.value:at.value + 60]!r}")
        self.patterns = [self._predicates(i)
                         for i in range(self.lib.ts_query_pattern_count(self.query))]
        ends = [self.lib.ts_query_start_byte_for_pattern(self.query, i)
                for i in range(len(self.patterns))] + [len(source)]
        self.sources = [source[a:b].decode().strip() for a, b in zip(ends, ends[1:])]

    def _text(self, call, i):
        n = U32()
        return call(self.query, i, ctypes.byref(n)).decode()

    def _predicates(self, pattern):
        n = U32()
        steps = self.lib.ts_query_predicates_for_pattern(self.query, pattern, ctypes.byref(n))
        found, one = [], []
        for s in steps[:n.value]:
            if s.type == STEP_END:
                found, one = found + [one], []
            elif s.type == STEP_CAPTURE:
                one.append("@" + self._text(self.lib.ts_query_capture_name_for_id, s.value))
            else:
                one.append(self._text(self.lib.ts_query_string_value_for_id, s.value))
        return found

    def captures(self, text):
        """(pattern, capture, start, end) of all that it finds, predicates unasked."""
        text = text.encode() if isinstance(text, str) else text
        return self.parsers._tree(text, self._run)

    def _run(self, root):
        cursor, m, found = self.lib.ts_query_cursor_new(), _Match(), []
        self.lib.ts_query_cursor_exec(cursor, self.query, root)
        while self.lib.ts_query_cursor_next_match(cursor, ctypes.byref(m)):
            for c in m.captures[:m.n]:
                found.append((m.pattern, self._text(self.lib.ts_query_capture_name_for_id, c.index),
                              self.lib.ts_node_start_byte(c.node), self.lib.ts_node_end_byte(c.node)))
        self.lib.ts_query_cursor_delete(cursor)
        return found
