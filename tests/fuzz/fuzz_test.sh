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
echo "1..$#"
n=0 failed=0
for fuzzer; do
	n=$((n + 1))
	name=$(basename "$fuzzer" _fuzz)
	mkdir -p "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
	if "$fuzzer" -seed="${FUZZ_SEED:-1}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
		-artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" \
		"tests/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1; then
		echo "ok $n - $name"
	else
		tail -n 25 "build/fuzz/$name.log" | sed 's/^/# /'
		echo "not ok $n - $name"
		failed=1
	fi
done
exit $failed
