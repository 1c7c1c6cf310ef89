#!/bin/sh
# SPDX-License-Identifier: MIT
# Every example policy: is laid out as weir fmt does, checks without a finding, passes its own tests, none of
# its rules without one, begins with its story, has proofs, and builds to a signed image that loads again and
# gives the same code. The same sources give the same bytes. Some compile to the golden code in tests/lang/asm
# (UPDATE=1 rewrites it), which is to be read when the compiler changes; more of them would not be. Fragments,
# which others import, have tests of all their rules, too.
cd "${WEIR_ROOT:-.}" || exit 2
weir=${WEIR:-build/weir}
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

say() { # status, name
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; failed=1; sed 's/^/# /' "$tmp/out"; fi
}

cp -r policies-examples "$tmp/moved"
golden="agents analyst orders payments tenants"
set -- policies-examples/*.weir
echo "1..$(($# * 7 + 5 + 4 * 2))"
for f; do
	name=$(basename "$f" .weir)

	cp "$f" "$tmp/fmt.weir" && "$weir" fmt "$tmp/fmt.weir" && diff -u "$f" "$tmp/fmt.weir" >"$tmp/out" 2>&1
	say $? "$name is laid out"
	"$weir" check "$f" >"$tmp/out" 2>&1
	say $? "$name checks clean"
	"$weir" dis "$f" >"$tmp/asm" 2>"$tmp/out"
	say $? "$name compiles"
	"$weir" test --strict "$f" >"$tmp/out" 2>&1
	say $? "$name passes its own tests, and no rule is without one"
	head -1 "$f" >"$tmp/out" && grep -q '^# ' "$tmp/out" && grep -q '^prove ' "$f"
	say $? "$name begins with its story, and proves something"
	"$weir" build "$f" -o "$tmp/a.img" --key "$tmp/key" --counter 7 --no-tests >"$tmp/out" 2>&1 &&
		"$weir" dis "$tmp/a.img" >"$tmp/asm2" 2>>"$tmp/out" &&
		diff -u "$tmp/asm" "$tmp/asm2" >>"$tmp/out" 2>&1 &&
		[ "$(stat -c %a "$tmp/key")" = 600 ]
	say $? "$name builds, signed, and loads"
	"$weir" build "$tmp/moved/$name.weir" -o "$tmp/b.img" --key "$tmp/key" --counter 7 \
		--no-tests >"$tmp/out" 2>&1 && cmp "$tmp/a.img" "$tmp/b.img" >>"$tmp/out" 2>&1
	say $? "$name gives the same bytes from another folder"
done
for name in $golden; do
	"$weir" dis "policies-examples/$name.weir" >"$tmp/asm" 2>"$tmp/out"
	if [ -n "$UPDATE" ]; then cp "$tmp/asm" "tests/lang/asm/$name.asm"; fi
	diff -u "tests/lang/asm/$name.asm" "$tmp/asm" >"$tmp/out" 2>&1
	say $? "$name compiles to tests/lang/asm/$name.asm"
done
for f in policies-examples/iso27001/*.weir; do
	cp "$f" "$tmp/fmt.weir" && "$weir" fmt "$tmp/fmt.weir" && diff -u "$f" "$tmp/fmt.weir" >"$tmp/out" 2>&1
	say $? "$f is laid out"
	printf 'policy alone "Nothing but the fragment"\nimport "%s"\n' "iso27001/$(basename "$f")" >"$tmp/moved/alone.weir"
	"$weir" test --strict "$tmp/moved/alone.weir" >"$tmp/out" 2>&1
	say $? "$f passes its own tests, and no rule is without one"
done
exit $failed
