#!/bin/sh
# SPDX-License-Identifier: MIT
# packaging/install.sh PREFIX BINARY: what `ninja install` runs. DESTDIR is put before every path.
# The binary that packaging/release.sh made of the same commit is taken instead.
set -eu
prefix=$1 binary=$2 dest=${DESTDIR:-}
root=$(cd "$(dirname "$0")/.." && pwd)
release=$root/build/release/weir
if [ -x "$release" ] && [ "$("$release" --version)" = "$("$binary" --version)" ]; then
	binary=$release
else
	echo "install.sh: packaging/release.sh would make a faster binary first" >&2
fi

put() { # MODE FROM TO
	install -d -m 755 "$dest$(dirname "$3")"
	install -m "$1" "$2" "$dest$3"
	echo "$dest$3"
}

put 755 "$binary" "$prefix/bin/weir"
for page in "$root"/docs/man/*.[0-9]; do
	put 644 "$page" "$prefix/share/man/man${page##*.}/${page##*/}"
done
for doc in "$root"/README.md "$root"/CHANGELOG.md "$root"/SECURITY.md "$root"/docs/*.md; do
	put 644 "$doc" "$prefix/share/doc/weir/${doc##*/}"
done
for page in "$root"/docs/diagnostics/*.md; do
	put 644 "$page" "$prefix/share/doc/weir/diagnostics/${page##*/}"
done
(cd "$root/policies-examples" && find . -type f | sort) | while read -r example; do
	put 644 "$root/policies-examples/$example" "$prefix/share/doc/weir/examples/${example#./}"
done
put 644 "$root/LICENSE" "$prefix/share/doc/weir/LICENSE"
script=$(mktemp)
for completion in bash:bash-completion/completions/weir zsh:zsh/site-functions/_weir \
	fish:fish/vendor_completions.d/weir.fish; do
	"$binary" completion "${completion%%:*}" >"$script"
	put 644 "$script" "$prefix/share/${completion#*:}"
done
put 644 "$root/packaging/weir.sysusers" "$prefix/lib/sysusers.d/weir.conf"
unit=$(mktemp)
trap 'rm -f "$unit" "$script"' EXIT
sed "s|@bindir@|$prefix/bin|" "$root/packaging/weir.service" >"$unit"
put 644 "$unit" "$prefix/lib/systemd/system/weir.service"
