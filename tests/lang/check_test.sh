#!/bin/sh
# SPDX-License-Identifier: MIT
# What the checker says: tests/lang/check/NAME.weir against NAME.txt (UPDATE=1 rewrites it); of NAME-strict.weir
# with --strict. At the end, every diagnostic of the ranges 04 to 07 and 12 and every opcode must be named by some golden file.
cd "${WEIR_ROOT:-.}" || exit 2
weir=${WEIR:-build/weir}
tmp=$(mktemp) || exit 2
trap 'rm -f "$tmp"' EXIT
n=0
failed=0

set -- tests/lang/check/*.weir
echo "1..$(($# + 2))"
for f; do
	n=$((n + 1))
	golden=${f%.weir}.txt
	strict=
	case $f in *-strict.weir) strict=--strict ;; esac
	"$weir" check $strict "$f" >"$tmp" 2>&1
	echo "exit $?" >>"$tmp"
	if [ -n "$UPDATE" ]; then cp "$tmp" "$golden"; fi
	if diff -u "$golden" "$tmp" >"$tmp.diff"; then
		echo "ok $n - $f"
	else
		echo "not ok $n - $f"
		sed 's/^/# /' "$tmp.diff"
		failed=1
	fi
	rm -f "$tmp.diff"
done

# These need more than 10,240 rules, 262,144 instructions or 65,535 constants: tests/unit/limits_test.c;
# E0620, E0621 a larger image than any gateway takes: tests/lang/hostile_test.py; W1227 a mistake of the compiler:
# tests/diff/dcode_wrong_test.c.
generated="E0606 E0607 E0613 E0617 E0620 E0621 W1227"
missing=
for code in $(grep -oE '^D\([A-Z_]+, "[EW](04|05|06|07|12)[0-9]+"' grammar/diags.def | cut -d'"' -f2); do
	case " $generated " in *" $code "*) continue ;; esac
	grep -q "\[$code\]" tests/lang/check/*.txt || missing="$missing $code"
done
n=$((n + 1))
if [ -z "$missing" ]; then echo "ok $n - every code of the checker is seen"; else
	echo "not ok $n - codes never seen:$missing"; failed=1; fi

missing=
for op in $(grep -oE '^OP\([A-Z_]+' grammar/opcodes.def | cut -d'(' -f2); do
	grep -q "OP_$op\b" tests/unit/vm_test.c tests/unit/vm_diagram_test.c || missing="$missing $op"
done
n=$((n + 1))
if [ -z "$missing" ]; then echo "ok $n - every opcode has a unit test"; else
	echo "not ok $n - opcodes without a unit test:$missing"; failed=1; fi
exit $failed
