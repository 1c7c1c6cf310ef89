#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs every fuzzer over its corpus and then for FUZZ_SECONDS (6) more, from FUZZ_SEED (1) on, so that
# a run can be had again. TAP. What it finds anew goes to build/fuzz/corpus/NAME; an input that fails
# to build/fuzz/NAME-crash-*: fix the cause and add the input to tests/fuzz/corpus/NAME.
cd "$(dirname "$0")/../.." || exit 2
seconds=${FUZZ_SECONDS:-6}
set -- build/fuzz/tests/*_fuzz
if [ ! -x "$1" ]; then
	echo "1..0 # SKIP no fuzzers: ninja fuzzers"
	exit 0
fi
# Images are made anew, so that they are of the format of the day; a short one is mutated best.
seeds=build/fuzz/seeds/image
mkdir -p $seeds
printf 'policy s\ndata d = column *.c.p\nmask d with null when row.x = 1\n%s\n' \
	'deny u do sql.drop when sql.uses(d, join) or user.kind = agent' >$seeds/short.weir
for policy in $seeds/short.weir tests/fuzz/corpus/compile/regex.weir policies-examples/*.weir; do
	build/weir build --no-tests "$policy" -o "$seeds/$(basename "$policy" .weir)" >build/fuzz/seeds.log 2>&1
done
rm $seeds/*.weir
[ "$(ls $seeds | wc -l)" -gt 5 ] || { echo 'Bail out! no images to begin with'; exit 1; }

echo "1..$#"
n=0 failed=0
for fuzzer; do
	n=$((n + 1))
	name=$(basename "$fuzzer" _fuzz)
	mkdir -p "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name"
	max=4096
	[ $name = image ] && max=16384 # longer than any seed, or it would be cut
	if "$fuzzer" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=$max \
		-artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" \
		"tests/fuzz/corpus/$name" "build/fuzz/seeds/$name" >"build/fuzz/$name.log" 2>&1; then
		echo "ok $n - $name"
	else
		tail -n 25 "build/fuzz/$name.log" | sed 's/^/# /'
		echo "not ok $n - $name"
		failed=1
	fi
done
exit $failed
