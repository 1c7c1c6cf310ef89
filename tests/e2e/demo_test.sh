#!/bin/sh
# SPDX-License-Identifier: MIT
# The demo tells its story within a minute, ends by itself and leaves nothing running.
set -u
cd "${WEIR_ROOT:-$(dirname "$0")/../..}" || exit 1
out=$(mktemp)
trap 'rm -f "$out"; rm -rf "$TMPDIR"' EXIT
# Its own, so that what is left in it was left by the demo.
TMPDIR=$(mktemp -d) && chmod 711 "$TMPDIR" || exit 1
export TMPDIR
fail=0 n=0

check() { # NAME CONDITION...
	n=$((n + 1))
	name=$1
	shift
	if "$@"; then echo "ok $n - $name"; else echo "not ok $n - $name"; fail=1; fi
}
says() { grep -qF -- "$1" "$out"; }
silent() { ! grep -qF -- "$1" "$out"; }
nobody_listens() {
	for port in $(grep -oE '127\.0\.0\.1:[0-9]+' "$out" | sort -u | cut -d: -f2); do
		! python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" \
			2>/dev/null || return 1
	done
}

if ! "${WEIR:-build/weir}" run --help >/dev/null 2>&1; then
	echo "1..1"
	echo "ok 1 - demo # SKIP build/weir has no \`run\`"
	exit 0
fi
echo 1..13
start=$(date +%s)
NO_COLOR=1 demo/demo.py >"$out" 2>&1 </dev/null
status=$?
took=$(($(date +%s) - start))
sed 's/^/# /' "$out"
check "ends well" [ $status -eq 0 ]
check "takes less than a minute" [ $took -lt 60 ]
check "a plain read passes" says "desk lamp"
check "a card number is masked" says "************1111"
check "no card number is shown" silent 4111111111111111
check "UPDATE without WHERE is refused by name" says unbounded-write
check "the hold is announced" says "waiting for approval"
check "and released" says "ALTER TABLE"
check "the agent may not approve" says "an agent can never approve"
check "the audit trail is printed" says "alter table orders add column note text"
check "a record that was changed is found" says "TAMPERED: segment "
check "nothing listens any more" nobody_listens
check "no folder is left" [ -z "$(ls "$TMPDIR")" ]
exit $fail
