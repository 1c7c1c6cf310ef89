#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`weir lsp` and Neovim's own client, which nobody here wrote: a policy of several files is opened, asked about,
renamed in, spoilt, put right and formatted as an author would, and saved."""
import json, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
FILES = {
    "common.weir": """# Who is who: \u00fc and \U0001f600 count differently in UTF-8 and UTF-16.
group support = idp "support-desk"   # "\U0001f600"
data mail     = column people.mail
""",
    "masks.weir": """import "common.weir"

mask mail with partial   unless who support
""",
    "shop.sql": "create table people (id int, mail text);\n",
    "shop.weir": """policy shop "A shop \U0001f600"

catalog "shop.sql"

import "common.weir"
import "masks.weir"

allow read "\U0001f600 they read"   who support   do sql.basics, sql.select

test "they read"
  as human "ann" in support   on "db"
  run "select mail from people"
  expect allow by read
""",
}
LUA = r"""
local told = {}
local ok, err = xpcall(function()
  vim.cmd("edit shop.weir")
  local id = vim.lsp.start_client({ name = "weir", cmd = { vim.env.WEIR, "lsp" }, root_dir = vim.fn.getcwd() })
  local client = vim.lsp.get_client_by_id(id)
  vim.lsp.buf_attach_client(0, id)
  vim.wait(20000, function() return client.initialized end)

  local function ask(method, params)
    local answer = vim.lsp.buf_request_sync(0, method, params, 20000)
    return answer and answer[id] and (answer[id].error or answer[id].result)
  end
  local function at(pattern, more)
    vim.fn.cursor(1, 1)
    local place = vim.fn.searchpos(pattern, "nc")
    vim.fn.cursor(place[1], place[2] + (more or 0))
    return vim.lsp.util.make_position_params(0, client.offset_encoding)
  end
  local function here()
    return vim.lsp.util.make_text_document_params()
  end
  local function diagnostics(wanted)
    vim.wait(20000, function() return #vim.diagnostic.get(0) == wanted end)
    return vim.tbl_map(function(d) return { d.code, d.lnum, d.col } end, vim.diagnostic.get(0))
  end

  told.filetype = vim.bo.filetype
  told.hover = ask("textDocument/hover", at("who support", 4)).contents.value
  told.definition = ask("textDocument/definition", at("who support", 4))
  local params = at("who support", 4)
  params.newName = "helpdesk"
  vim.lsp.util.apply_workspace_edit(ask("textDocument/rename", params), client.offset_encoding)
  vim.cmd("wall")
  told.renamed = diagnostics(0)

  local line = vim.fn.search("sql.select$", "n")
  vim.fn.setline(line, (vim.fn.getline(line):gsub("sql.select", "sql.selekt")))
  told.spoilt = diagnostics(1)
  params = { textDocument = here(), context = { diagnostics = vim.lsp.diagnostic.get_line_diagnostics(0, line - 1) },
             range = vim.lsp.util.make_given_range_params({ line, 0 }, { line, 999 }, 0, client.offset_encoding).range }
  local actions = ask("textDocument/codeAction", params)
  told.action = actions[1].title
  vim.lsp.util.apply_workspace_edit(actions[1].edit, client.offset_encoding)
  told.mended = diagnostics(0)

  vim.fn.append(vim.fn.line("$"), { "", "deny  late   when who " })
  params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.position = { line = vim.fn.line("$") - 1, character = 18 }
  vim.fn.setline(vim.fn.line("$"), "deny  late   who ")
  params.position.character = 17
  local items = ask("textDocument/completion", params)
  told.completion = vim.tbl_map(function(i) return i.label end, items.items or items)
  vim.fn.setline(vim.fn.line("$"), "deny  late   who    helpdesk do sql.ddl")
  vim.lsp.util.apply_text_edits(ask("textDocument/formatting",
    { textDocument = here(), options = { tabSize = 2, insertSpaces = true } }), 0, client.offset_encoding)
  told.formatted = vim.fn.getline(vim.fn.line("$"))
  vim.cmd("wall")
  told.outline = vim.tbl_map(function(s) return s.name end, ask("textDocument/documentSymbol", { textDocument = here() }))
  client.stop()
  told.stopped = vim.wait(20000, function() return client.is_stopped() end)
end, debug.traceback)
told.error = not ok and err or nil
vim.fn.writefile({ vim.fn.json_encode(told) }, vim.env.OUT)
vim.cmd("qall!")
"""


def test_neovim():
    if not os.path.exists("/usr/bin/nvim"):
        raise h.Skip("no nvim: ./configure --install")
    folder = h.tmp()
    for name, text in [*FILES.items(), ("look.lua", LUA)]:
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    packages = f"{folder}/.local/share/nvim/site/pack/weir/start"
    os.makedirs(packages)
    os.symlink(f"{h.ROOT}/editors/vim", f"{packages}/weir")
    env = {"HOME": folder, "XDG_DATA_HOME": f"{folder}/.local/share", "XDG_CONFIG_HOME": f"{folder}/.config",
           "XDG_STATE_HOME": f"{folder}/.state", "XDG_CACHE_HOME": f"{folder}/.cache", "OUT": f"{folder}/told", "WEIR": h.WEIR}
    r = h.run(["/usr/bin/nvim", "--headless", "-n", "-i", "NONE", "-c", "luafile look.lua", "-c", "cquit"],
              cwd=folder, env=env, timeout=180)
    h.eq(r.code, 0, repr(r))
    with open(f"{folder}/told", encoding="utf-8") as f:
        told = json.load(f)
    h.eq(told.get("error"), None)
    h.eq(told["filetype"], "weir")
    h.has(told["hover"], 'group support = idp "support-desk"')
    h.eq([(os.path.basename(d["uri"]), d["range"]["start"]) for d in told["definition"]],
         [("common.weir", {"line": 1, "character": 6})])
    # In bytes: the client has counted back.
    h.eq((told["renamed"], told["spoilt"], told["mended"]), ([], [["E0404", 7, 60]], []))
    h.eq(told["action"], "change to 'sql.select'")
    h.eq(told["completion"], ["helpdesk"])
    h.eq(told["formatted"], "deny late   who helpdesk   do sql.ddl")
    h.eq(told["outline"], ["shop", "read", "they read", "late"])
    h.eq(told["stopped"], True)
    # What Neovim has saved is what is meant.
    for name in ("common.weir", "masks.weir", "shop.weir"):
        with open(f"{folder}/{name}", encoding="utf-8") as f:
            text = f.read()
        h.lacks(text.replace("support-desk", ""), "support")
        h.has(text, "helpdesk")
    h.eq((h.weir("check", f"{folder}/shop.weir").code, h.weir("test", f"{folder}/shop.weir").code), (0, 0))


h.main(test_neovim)
