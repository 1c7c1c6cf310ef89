# SPDX-License-Identifier: MIT
"""The grammar of editors/tree-sitter-weir in Debian's libtree-sitter: trees."""
import ctypes, os, re, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GRAMMAR = f"{ROOT}/editors/tree-sitter-weir"
U32 = ctypes.c_uint32


class _Node(ctypes.Structure):
    _fields_ = [("context", U32 * 4), ("id", ctypes.c_void_p), ("tree", ctypes.c_void_p)]


class _Cursor(ctypes.Structure):
    _fields_ = [("tree", ctypes.c_void_p), ("id", ctypes.c_void_p), ("context", U32 * 2)]


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
