#!/bin/sh
# SPDX-License-Identifier: MIT
# packaging/release.sh: builds build/release/weir, the binary to install and to measure.
#
# The same sources as build/weir, optimised as a whole with a profile of what a gateway does. A lone
# client's query finds cold caches, so what counts is how few lines of code and memory its way
# touches: the profile puts them side by side (docs/decisions/0006).
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
'') ;;
*)
	echo "usage: packaging/release.sh    builds build/release/weir; see docs/decisions/0006"
	[ "$1" = --help ] && exit 0 || exit 2
	;;
esac
[ -e build/config.ninja ] || {
	echo "release.sh: run ./configure --install first" >&2
	exit 1
}

rm -rf build/train build/release
ninja build/train/weir build/opt/bench-programs
bench/train.py build/train/weir
(cd build/train && find . -name '*.gcda') | while read -r profile; do
	mkdir -p "build/release/${profile%/*}"
	cp "build/train/$profile" "build/release/$profile"
done
[ -n "$(find build/release -name session.gcda)" ] || {
	echo "release.sh: the training left no profile" >&2
	exit 1
}
ninja build/release/weir
build/release/weir --version
