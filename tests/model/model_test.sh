#!/bin/sh
# SPDX-License-Identifier: MIT
# Searches every state of session.pml (-DPOOL: of pool.pml, -DPORTALS: of portals.pml) in several
# bounded worlds, and makes sure that the search sees: each mutation of the model must be found. Also that model and code speak of the same invariants.
#
#   tests/model/model_test.sh              all
#   tests/model/model_test.sh trail FLAGS  one world, and the way to what is wrong with it
cd "$(dirname "$0")" || exit 2
here=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# name | must spin find something? | flags
worlds='
batches                                  | no  | -DWITH_BATCH -DMESSAGES=4
batches and queries                      | no  | -DWITH_BATCH -DWITH_QUERY -DMESSAGES=3
batches with COPY                        | no  | -DWITH_BATCH -DWITH_COPY -DMESSAGES=4
queries with COPY                        | no  | -DWITH_QUERY -DWITH_COPY -DMESSAGES=3
transactions and holds                   | no  | -DWITH_QUERY -DWITH_TX -DWITH_HOLD -DMESSAGES=2
holds in batches, and drain              | no  | -DWITH_BATCH -DWITH_HOLD -DONLY_HOLD -DWITH_DRAIN -DDEPTH=1 -DMESSAGES=2
holds of queries, drain, peers that go   | no  | -DWITH_QUERY -DWITH_HOLD -DWITH_DRAIN -DWITH_ENDS -DDEPTH=1 -DMESSAGES=1
batches, drain, peers that go            | no  | -DWITH_BATCH -DWITH_DRAIN -DWITH_ENDS -DDEPTH=1 -DMESSAGES=2
holds that are skipped                   | no  | -DWITH_BATCH -DWITH_QUERY -DWITH_HOLD -DONLY_HOLD -DDEPTH=1 -DMESSAGES=3
a refusal that does not skip to Sync     | yes | -DWITH_BATCH -DMESSAGES=4 -DM_NO_SKIP
an error that leaves the batch in place  | yes | -DWITH_BATCH -DMESSAGES=4 -DM_NO_DROP
two replies taken for one                | yes | -DWITH_BATCH -DMESSAGES=4 -DM_POP_TWICE
a reply before its record                | yes | -DWITH_QUERY -DMESSAGES=3 -DM_NO_GATE
a command before its record              | yes | -DWITH_QUERY -DMESSAGES=3 -DM_FORWARD_EARLY
a command in spite of its verdict        | yes | -DWITH_QUERY -DMESSAGES=3 -DM_FORWARD_UNJUDGED
a verdict that outlives its message      | yes | -DWITH_BATCH -DWITH_QUERY -DMESSAGES=5 -DM_STAGED_STAYS
a hold that outlives its message         | yes | -DWITH_BATCH -DWITH_HOLD -DMESSAGES=4 -DM_STAGED_STAYS
people who are asked by old names        | yes | -DWITH_QUERY -DWITH_HOLD -DMESSAGES=2 -DM_ASK_BY_OLD_NAMES
a release by old names                   | yes | -DWITH_QUERY -DWITH_HOLD -DMESSAGES=2 -DM_RELEASE_BY_OLD_NAMES
a release of what could not be read      | yes | -DWITH_QUERY -DWITH_HOLD -DMESSAGES=2 -DM_RELEASE_WHAT_IS_UNKNOWN
a release that was withdrawn             | yes | -DWITH_QUERY -DWITH_HOLD -DMESSAGES=2 -DM_RELEASE_WHAT_IS_WITHDRAWN
a reading for what was skipped           | yes | -DWITH_BATCH -DWITH_QUERY -DWITH_HOLD -DONLY_HOLD -DDEPTH=1 -DMESSAGES=4 -DM_READING_STAYS
a name taken for what is in doubt        | yes | -DWITH_BATCH -DMESSAGES=5 -DM_NO_DOUBT
a refusal by the gateway alone           | yes | -DWITH_QUERY -DWITH_TX -DMESSAGES=3 -DM_REFUSE_ALONE
a wait for the Sync that COPY ignores    | yes | -DWITH_BATCH -DWITH_COPY -DMESSAGES=4 -DM_KEEP_IGNORED_SYNC
sessions that share a server connection  | no  | -DPOOL
sessions that set it, and leave things   | no  | -DPOOL -DWITH_STATE -DNO_CANCELS
a connection that still owes answers     | yes | -DPOOL -DM_IGNORE_ANSWERS
a connection that a cancel may still hit | yes | -DPOOL -DM_IGNORE_CANCELS
a cancel that is thought to be lost      | yes | -DPOOL -DM_TRUST_THE_LOST
a connection whose client vanished       | yes | -DPOOL -DM_REUSE_WHATEVER
a connection with settings of another    | yes | -DPOOL -DWITH_STATE -DNO_CANCELS -DM_NO_CARRY
what unseen code left for another        | yes | -DPOOL -DWITH_STATE -DNO_CANCELS -DM_LEAVE_IT
settings that are not waited for         | yes | -DPOOL -DWITH_STATE -DNO_CANCELS -DM_WAIT_FOR_NOTHING
an error taken for settings that hold    | yes | -DPOOL -DWITH_STATE -DNO_CANCELS -DM_TAKE_ERRORS_FOR_ANSWERS
settings that nobody asked for           | yes | -DPOOL -DWITH_STATE -DNO_CANCELS -DM_ASK_NOTHING
portals in pieces, and their limits      | no  | -DPORTALS -DMESSAGES=4 -DROWS=2
portals, and a client that cancels       | no  | -DPORTALS -DMESSAGES=3 -DROWS=2 -DWITH_CANCEL
a limit that each Execute has anew       | yes | -DPORTALS -DM_COUNT_EACH_EXECUTE
PortalSuspended taken for no end         | yes | -DPORTALS -DM_SUSPENDED_IS_NO_END
a Flush that is not passed on            | yes | -DPORTALS -DMESSAGES=3 -DM_SWALLOW_FLUSH
a cancel that nobody waits for           | yes | -DPORTALS -DM_GO_ON_MEANWHILE
no Flush behind a cancel                 | yes | -DPORTALS -DM_NO_OWN_FLUSH
a transaction left as it was             | yes | -DPORTALS -DMESSAGES=3 -DM_LEAVE_THE_TRANSACTION
a failure in front of what takes effect  | yes | -DPORTALS -DM_FAIL_WHATEVER_RUNS_BEHIND
a failure behind what took effect        | yes | -DPORTALS -DM_FORGET_WHAT_WROTE
clients that terminate                   | no  | -DWITH_BATCH -DWITH_QUERY -DWITH_TERMINATE -DMESSAGES=2
a Terminate that overtakes               | yes | -DWITH_QUERY -DWITH_TERMINATE -DMESSAGES=2 -DM_TERMINATE_OVERTAKES
a Terminate that waits for no answers    | yes | -DWITH_QUERY -DWITH_TERMINATE -DMESSAGES=2 -DM_TERMINATE_AT_ONCE
'

# search FLAGS: what spin has to say, in a folder of its own.
search() {
	dir=$(mktemp -d "$work/XXXXXX") && cd "$dir" || return
	case " $* " in
	*" -DPOOL "*) model=pool.pml ;;
	*" -DPORTALS "*) model=portals.pml ;;
	*) model=session.pml ;;
	esac
	cp "$here/$model" .
	# To optimise takes longer than it saves.
	spin -a "$@" $model >spin.out 2>&1 &&
		cc -w -O0 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=2048 -o pan pan.c &&
		timeout 120 ./pan -m100000 -n
}

if [ "$1" = trail ]; then
	shift
	search "$@"
	[ -f $model.trail ] && spin -t -c -g "$@" $model
	exit
fi

one() { # "name | yes/no | flags"
	name=$(echo "$1" | cut -d'|' -f1 | sed 's/ *$//')
	want=$(echo "$1" | cut -d'|' -f2 | tr -d ' ')
	flags=$(echo "$1" | cut -d'|' -f3)
	# shellcheck disable=SC2086
	out=$(search $flags 2>&1)
	states=$(echo "$out" | sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p')
	what=$(echo "$out" | sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p')
	done=no
	echo "$out" | grep -q 'errors: 0$' && ! echo "$out" | grep -q 'max search depth\|out of memory' && done=yes
	if [ "$want" = no ] && [ $done = yes ]; then
		echo "ok - $name: nothing in $states states"
	elif [ "$want" = yes ] && [ -n "$what" ]; then
		echo "ok - $name is found: $what"
	else
		echo "not ok - $name"
		echo "$out" | sed 's/^/# /' | grep -v '^# *$' | head -20
		echo "# see it: tests/model/model_test.sh trail $flags"
	fi
}

if [ "$1" = one ]; then
	one "$2"
	exit
fi

# Each invariant of session.h is asserted in the model, and named beside an assertion of the code.
names() { grep -oh '\bI[1-9]\b' "$@" | sort -u | tr '\n' ' '; }
asserted() { # files: names in a comment whose next line, or one after it, asserts
	awk '/I[1-9]/ { if (match($0, /I[1-9]/)) { name = substr($0, RSTART, 2); left = 4 } }
	     left > 0 { if (/assert\(/) { print name; left = 0 } left-- }' "$@" | sort -u | tr '\n' ' '
}
session="$here/../../runtime/session"
{
	declared=$(sed -n '/^ \* Invariants/,/^ \*\//p' "$session/session.h" | grep -o '^ \*   I[1-9]' |
		grep -o 'I[1-9]' | sort -u | tr '\n' ' ')
	code=$(asserted "$session"/session*.c)
	model=$(asserted "$here/session.pml" "$here/portals.pml")
	if [ -n "$declared" ] && [ "$declared" = "$code" ] && [ "$declared" = "$model" ]; then
		echo "ok - the invariants $declared are asserted in code and model"
	else
		echo "not ok - invariants: declared $declared; asserted in the code $code; in the model $model"
	fi
	for p in P1 P2 P3 P4; do
		for side in "$here/../../runtime/proxy/pool.c $session/session_pool.c" "$here/pool.pml"; do
			# shellcheck disable=SC2086
			echo "$(cat $side | grep -A4 "\b$p\b" | grep -q 'assert(' || echo 'not ')ok - $p is asserted in $(basename "${side##* }")"
		done
	done
	echo "$worlds" | grep '|' | tr '\n' '\0' | xargs -0 -n1 -P"$(nproc)" "$here/model_test.sh" one
} >"$work/tap"
sed -i '/./!d' "$work/tap"
awk '/^(not )?ok /{ n++; sub(/ok /, "ok " n " ") } { print } END { print "1.." n }' "$work/tap"
! grep -q '^not ok' "$work/tap"
