#!/bin/sh
# SPDX-License-Identifier: MIT
# weir eval, build, test, facts as people and scripts use them: answers, refusals, exit codes.
cd "${WEIR_ROOT:-.}" || exit 2
weir=${WEIR:-build/weir}
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
policy=policies-examples/payments.weir
n=0
failed=0

check() { # name, exit code wanted, pattern wanted in the output; the command follows
	name=$1 want=$2 pattern=$3
	shift 3
	"$@" >"$tmp/out" 2>&1
	got=$?
	n=$((n + 1))
	if [ $got = "$want" ] && grep -qF -- "$pattern" "$tmp/out"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name (exit $got, want $want)"
		sed 's/^/# /' "$tmp/out"
		failed=1
	fi
}
line() { # name, exit code, pattern, one line of facts
	printf '%s\n' "$4" >"$tmp/facts"
	check "$1" "$2" "$3" "$weir" eval "$policy" --facts "$tmp/facts"
}

echo 1..27
who='"user.name": "p", "user.kind": "agent", "user.groups": ["ai-agents"], "target.name": "orders", "target.protocol": "postgres"'
fleet='"user.name": "p", "user.kind": "agent", "user.groups": ["agent-fleet"], "target.name": "tickets", "target.protocol": "postgres", "schema": "desk"'
line "a hold with its obligations" 0 '"needs": [{"n": 1, "group": "dba-oncall"}]' "{$who, \"uses\": [], \"action\": \"sql.drop\"}"
line "the deciding rule has a place" 0 '"rule": "ddl", "kind": "hold", "sentence": "schema changes wait for a DBA", "file": "payments.weir", "line": 30' "{$who, \"uses\": [], \"action\": \"sql.drop\"}"
line "nothing known: denied by what could be" 0 '"verdict": "deny", "by_default": false' '{}'
line "an unknown where is no where" 0 '"rule": "unbounded-write"' "{$who, \"action\": \"sql.update\", \"uses\": []}"
line "masks in force" 0 '{"mask": "card", "data": ["card"], "with": "last", "count": 4}' "{$who, \"entry\": \"result\"}"
line "and what they open" 0 '{"mask": "contact", "data": ["contact"], "with": "partial", "lookup": true, "derived": true}' "{$who, \"entry\": \"result\"}"
line "a session may open" 0 '"entry": "connect", "verdict": "allow"' "{$who, \"entry\": \"connect\"}"
policy=policies-examples/agents.weir
line "limits that apply" 0 '{"limit": "reading", "amounts": [{"rows": 1000, "per": "command"}, {"rows": 20000, "per": "hour"}, {"bytes": 2000000, "per": "command"}, {"time_ms": 10000, "per": "command"}]}' "{$fleet, \"action\": \"sql.select\"}"
line "and decide nothing" 0 '"verdict": "deny", "by_default": true, "deciding": [], "matched": [{"rule": "reading", "kind": "limit"' "{$fleet, \"sql.statements\": 1, \"action\": \"sql.merge\"}"
policy=policies-examples/payments.weir
line "effects are joined" 0 '"verdict": "hold"' "{$who, \"uses\": [], \"effects\": [{\"action\": \"sql.select\"}, {\"action\": \"sql.drop\"}]}"
line "a place of a column" 0 '"rule": "people-probing"' "{$who, \"action\": \"sql.select\", \"uses\": [{\"table\": \"people\", \"column\": \"email\", \"contexts\": [\"order\"]}]}"
line "not JSON" 1 '{"line": 1, "error": "not JSON' '{"user.name": '
line "not an object" 1 'a line is one JSON object' '[1]'
line "no such fact" 1 "there is no fact 'sql.wher'" '{"sql.wher": true}'
line "a value of the wrong type" 1 "'sql.where' is true or false" '{"sql.where": 1}'
line "an inner node is no action" 1 "stands for several" '{"action": "sql.ddl"}'
line "a key twice" 1 'not JSON: duplicate' '{"action": "sql.drop", "action": "sql.select"}'
printf 'x\n\n{"entry": "connect"}\n' >"$tmp/facts"
check "lines after a bad one are answered" 1 '"entry": "connect", "verdict": "deny"' "$weir" eval "$policy" --facts "$tmp/facts"
check "usage" 2 'Try `weir eval --help`' "$weir" eval "$policy"
check "facts are JSON" 0 '"name": "sql.where"' "$weir" facts --json
n=$((n + 1))
if "$weir" facts --json | python3 -m json.tool >/dev/null; then echo "ok $n - and parse"; else echo "not ok $n - and parse"; failed=1; fi
sed 's/expect hold by ddl/expect allow/' "$policy" >"$tmp/p.weir"
check "a failing test says why" 1 'expected allow, got hold by ddl' "$weir" test "$tmp/p.weir"
sed 's/expect limited by reading/expect limited by read/' policies-examples/agents.weir >"$tmp/a.weir"
check "a limit that is none" 1 'read is no limit rule' "$weir" test "$tmp/a.weir"
cat >"$tmp/u.weir" <<'END'
policy unknown
allow all do sql.basics, sql.select, sql.opaque-function
deny secret "secrets" when table starts with "secret."
deny work when function = "app.work"
test "begin has no table, and could have any" as human "a" on "x" run "begin" expect deny by secret
test "a table" as human "a" on "x" run "select id from t" expect deny by work
test "a function with its schema" as human "a" on "x" run "select app.work()" expect deny by work
test "said to be known" as human "a" on "x" with table = "a.b", function = "f" run "begin" expect allow
test "said to be unknown" as human "a" on "x" with table = unknown, function = "f" run "begin" expect deny by secret
END
check "a test knows what the gateway knows" 0 '5 passed' "$weir" test "$tmp/u.weir"
check "and prevents the image" 1 'nothing was written' "$weir" build "$tmp/p.weir" -o "$tmp/p.img"
printf 'policy s\nallow a do sql.select\nshadow deny d do sql.select when sql.text matches "*x*"\n' >"$tmp/s.weir"
printf '{"action": "sql.select", "target.protocol": "postgres", "sql.text": "x"}\n' >"$tmp/facts"
check "what a shadow rule would do" 0 '"verdict": "allow", "by_default": false, "deciding": [{"rule": "a"' "$weir" eval "$tmp/s.weir" --facts "$tmp/facts"
grep -qF '"shadow": [{"rule": "d", "would": "deny"}]' "$tmp/out" || { echo "# no shadow in the answer"; failed=1; }
chmod 644 "$tmp/facts" && check "a key that others can read" 2 'chmod 600' "$weir" build "$policy" -o "$tmp/p.img" --key "$tmp/facts"
exit $failed
