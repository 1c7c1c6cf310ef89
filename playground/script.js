// SPDX-License-Identifier: MIT
// The playground's page: it sends what is typed to the server and shows what comes back. Whatever it
// shows is put there as text, never as HTML: policies, rows and links come from others.
"use strict";

const FIELDS = ["policy", "schema", "principal", "on", "sql", "rows"];
const WAIT_MS = 200;
const MAX_COLOURED = 100000; // characters of a policy: more takes the browser too long at each key
const NO_PLACE = { line: 0 };
const $ = (id) => document.getElementById(id);

function make(tag, className, ...content) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  e.append(...content);
  return e;
}

// ---- Colours, by the words of the language (words.js is made of its tables) ----

const KINDS = new Map(Object.entries(WORDS).flatMap(([kind, words]) => words.map((w) => [w, kind])));
const TOKEN = /(#.*)|("(?:\\.|[^"\\\n])*"?|\/(?:\\.|[^\/\\\n])*\/\w*)|([A-Za-z_][\w.-]*)|(\d[\w.:/]*)|[^]/g;

function kindOf(m) {
  return m[1] ? "comment" : m[2] ? "string" : m[3] ? KINDS.get(m[3]) : m[4] ? "number" : undefined;
}

// Offsets (of UTF-16 units) of a place that counts lines and characters from 1.
function offsetOf(text, line, column) {
  let at = 0;
  for (let i = 1; i < line; i++) at = text.indexOf("\n", at) + 1 || text.length;
  for (let i = 1; i < column && at < text.length && text[at] !== "\n"; i++)
    at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

function colour(problems = []) {
  const text = $("policy").value;
  const wrong = problems.map((d) => [offsetOf(text, d.line, d.column),
    Math.max(offsetOf(text, d.end_line, d.end_column), offsetOf(text, d.line, d.column) + 1)]);
  const out = [];
  let plain = text.length > MAX_COLOURED ? text : "";
  for (const m of plain ? [] : text.matchAll(TOKEN)) {
    const bad = wrong.some(([from, to]) => m.index < to && m.index + m[0].length > from);
    const kind = [kindOf(m), bad && "wrong"].filter(Boolean).join(" ");
    if (!kind) {
      plain += m[0];
      continue;
    }
    out.push(plain, make("span", kind, m[0]));
    plain = "";
  }
  const all = document.createDocumentFragment(); // as arguments, a long policy would be too many
  for (const piece of out) all.append(piece);
  all.append(plain + "\n");
  $("colours").replaceChildren(all);
  scroll();
}

function scroll() {
  $("colours").scrollTop = $("policy").scrollTop;
  $("colours").scrollLeft = $("policy").scrollLeft;
}

// ---- What came back ----

// The line of a text with carets below the place.
function excerpt(text, d) {
  const line = (text.split("\n")[d.line - 1] ?? "").replace(/\r$/, "");
  const marks = d.end_line === d.line ? Math.max(1, d.end_column - d.column) : 1;
  const before = [...line].slice(0, d.column - 1).map((c) => (c === "\t" ? c : " ")).join("");
  return make("pre", "", line + "\n" + before + "^".repeat(marks));
}

// Which field a diagnostic is about, and where in it: the command is a test's text, whose lines are
// its name, the principal, the target and the rows.
function placeOf(d) {
  if (!d.line) return ["policy", NO_PLACE];
  if (d.file === "policy.weir") return ["policy", d];
  if (d.file !== "<command line>") return ["schema", d];
  return [["principal", "on"][d.line - 2] ?? "rows", NO_PLACE];
}

function goTo(field, d) {
  const e = $(field);
  e.focus();
  if (d.line) e.setSelectionRange(offsetOf(e.value, d.line, d.column),
    offsetOf(e.value, d.end_line, d.end_column));
}

function problem(d) {
  const [field, place] = placeOf(d);
  const where = field + (place.line ? ` ${place.line}:${place.column}` : "");
  const jump = make("button", "", where);
  jump.type = "button";
  jump.addEventListener("click", () => goTo(field, place));
  const item = make("li", "", make("span", d.severity, `${d.severity} ${d.code}`), " ", jump, `: ${d.message}`);
  if (place.line) item.append(excerpt($(field).value, place));
  for (const n of d.notes) item.append(make("div", "", `note: ${n.message}`));
  return item;
}

function showProblems(list, checked) {
  list.replaceChildren(...(checked?.diagnostics ?? []).map(problem));
}

function showVerdict(answer) {
  $("brief").textContent = $("brief").className = answer.verdict ?? "";
  if (!answer.verdict) {
    $("verdict").replaceChildren(answer.check.errors ? "Nothing is decided by a policy with errors."
      : "Say who asks, on what, and which command.");
    return;
  }
  const by = answer.deciding.map((r) => `${r.rule} (line ${r.line})`);
  if (answer.by_default) by.push("default: no rule speaks of some effect");
  $("verdict").replaceChildren(make("b", answer.verdict, answer.verdict),
    by.length ? ` by ${by.join(", ")}` : "", answer.refusal ? `: ${answer.refusal}` : "",
    answer.statement ? ` (the statement: ${answer.statement})` : "",
    answer.without_schema ? " (decided without the schema, which does not say what the command needs)" : "");
}

function cell(c) {
  if (c.missing) return make("td", "null", "not in the result");
  const td = make("td", c.masked_by || c.found ? "masked" : "", c.value === null ? make("span", "null", "null") : c.value);
  if (c.found) td.title = "masked because of what a detector found in it";
  if (c.masked_by) td.title = `masked by ${c.masked_by}`;
  return td;
}

function showRows(rows = []) {
  const names = [...new Set(rows.flatMap((r) => r.cells.map((c) => c.column)))];
  const lines = rows.map((r) => {
    if (r.dropped_by === null)
      return make("tr", "", ...names.map((n) => {
        const c = r.cells.find((x) => x.column === n);
        return c ? cell(c) : make("td", "null", "not given");
      }));
    const td = make("td", "null", `dropped by ${r.dropped_by}`);
    td.colSpan = Math.max(1, names.length);
    return make("tr", "", td);
  });
  const masks = [...new Set(rows.flatMap((r) => r.cells.map((c) => c.found ? "what a detector found"
    : c.masked_by)).filter(Boolean))];
  $("shown").replaceChildren(...(rows.length ? [make("h2", "", "Rows as the client gets them"),
    make("table", "", make("tr", "", ...names.map((n) => make("th", "", n))), ...lines)] : []),
  ...(masks.length ? [make("p", "masked", `Masked by ${masks.join(", ")}.`)] : []));
}

function show(answer) {
  colour(answer.check.diagnostics.filter((d) => d.file === "policy.weir"));
  showProblems($("problems"), answer.check);
  showProblems($("command"), answer.command);
  showVerdict(answer);
  showRows(answer.rows);
  $("explanation").textContent = answer.explanation ?? "";
  $("bytecode").textContent = answer.bytecode ?? "";
  $("tests").textContent = answer.tests?.report ?? "";
  $("counts").textContent = answer.tests ? `${answer.tests.passed} passed, ${answer.tests.failed} failed` : "";
}

// What was shown is of other texts than those in the page.
function showNothing() {
  show({ check: { diagnostics: [] } });
  $("verdict").textContent = "Nothing is known of what is in the page now.";
}

// ---- Asking ----

let timer = 0, asking = null;

function texts() {
  return Object.fromEntries(FIELDS.map((f) => [f, $(f).value]));
}

async function evaluate() {
  asking?.abort();
  const mine = asking = new AbortController();
  const asked = texts();
  history.replaceState(null, "", "#" + toFragment(asked));
  $("state").textContent = "evaluating";
  try {
    const r = await fetch("/v1/evaluate", { method: "POST", body: JSON.stringify(asked),
      headers: { "Content-Type": "application/json" }, signal: mine.signal });
    const answer = await r.json();
    if (mine !== asking) return;
    if (r.ok) show(answer);
    else showNothing();
    $("state").textContent = r.ok ? "up to date" : `${answer.title}. ${answer.hint}`;
  } catch (e) {
    if (mine !== asking) return;
    showNothing();
    $("state").textContent = "The server does not answer: is `weir playground` running?";
  }
}

function changed() {
  asking?.abort();
  asking = null;
  $("state").textContent = "";
  clearTimeout(timer);
  timer = setTimeout(evaluate, WAIT_MS);
}

function fill(values) {
  for (const f of FIELDS) $(f).value = typeof values[f] === "string" ? values[f] : "";
  colour();
  changed();
}

// ---- What the page begins with, and what a link carries ----

function toFragment(values) {
  const bytes = new TextEncoder().encode(JSON.stringify(values));
  const binary = Array.from(bytes, (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromFragment(fragment) {
  try {
    const binary = atob(fragment.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
  } catch (e) {
    return null;
  }
}

async function fileText(path) {
  return (await fetch("/" + path.split("/").pop())).text();
}

// What an example imports, in its place: there are no files beside the page.
async function withImports(text) {
  const lines = text.split("\n").map(async (line) => {
    const m = /^import "([^"]+)"$/.exec(line);
    return m ? `# ${line}\n${await withImports(await fileText(m[1]))}` : line;
  });
  return (await Promise.all(lines)).join("\n");
}

async function loadExample(example) {
  const policy = await withImports(await fileText(example.file));
  const schema = example.schema.endsWith(".sql") ? await fileText(example.schema) : example.schema;
  fill({ ...example, policy, schema });
}

async function begin() {
  const shared = location.hash.length > 1 ? fromFragment(location.hash.slice(1)) : null;
  if (shared) return fill(shared);
  const r = await fetch("/v1/policy");
  if (r.status === 200)
    return fill({ policy: await r.text(), schema: await (await fetch("/v1/schema")).text() });
  return loadExample(EXAMPLES[0]);
}

for (const e of EXAMPLES) $("example").append(make("option", "", e.file));
$("example").addEventListener("change", (event) => {
  const chosen = EXAMPLES.find((e) => e.file === event.target.value);
  if (chosen) loadExample(chosen);
});
for (const f of FIELDS) $(f).addEventListener("input", changed);
$("policy").addEventListener("input", () => colour());
$("policy").addEventListener("scroll", scroll);
addEventListener("hashchange", begin);
begin();
