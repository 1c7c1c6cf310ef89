#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Proves tests/proof/step.c with Frama-C's Eva: no alarm means that no undefined behaviour is
# possible, for any values. Then breaks the verifier in ways that must raise one. TAP; output stays
# in build/proof.
cd "$(dirname "$0")/../.." || exit 2
out=build/proof
mkdir -p $out

# prove NAME "DEFINES" [FOLDER of sources that come first]
prove() {
	frama-c -machdep gcc_x86_64 -c11 \
		-cpp-extra-args="-DWEIR_FUZZ -D_GNU_SOURCE ${3:+-I$3 }-I. -Iruntime $2" \
		tests/proof/step.c -eva -eva-no-show-progress -eva-ilevel 64 -eva-plevel 12000 \
		-eva-slevel 100 \
		-eva-slevel-function main:0,steps_with:0,steps_by:0,step:500,vm_run:5000 \
		-eva-split-return-function check_insn:0,fact_fits:0,arg_fits:0,rule_fits:0,stays_inside:0,match_find:0:1 \
		>$out/"$1".log 2>&1
	grep -q '^\[eva\] done for function main' $out/"$1".log
}

proved() {
	grep -q ' 0 alarms generated' $out/"$1".log && grep -q ' 3 valid  *0 unknown' $out/"$1".log
}

report() { # STATUS NAME
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	tail -n 25 $out/"$2".log | sed 's/^/# /'
	echo "not ok $n - $2"
	failed=1
}

# broken NAME 's/from/to/': a change of verify.c that must be noticed; the substitution must apply.
broken() {
	mkdir -p $out/"$1"/vm
	sed "$2" runtime/vm/verify.c >$out/"$1"/vm/verify.c
	! cmp -s runtime/vm/verify.c $out/"$1"/vm/verify.c &&
		prove "$1" "-DLENGTH=5 -DAT=1 -DFIRST_OP=OP_MATCH" $out/"$1" && ! proved "$1"
	report $? "$1"
}

n=0 failed=0
echo 1..4
prove short "-DLENGTH=5 -DAT=1" &
prove long "-DLENGTH=70000 -DAT=69998"
wait
for name in short long; do
	proved $name
	report $? $name
done
broken jump-past-the-end 's/in->skip > left)/in->skip > left + 1)/'
broken rule-past-the-last 's/in->arg < img->n_rules/in->arg <= img->n_rules/'
exit $failed
