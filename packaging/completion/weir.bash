# SPDX-License-Identifier: MIT
# bash completion for weir. Commands and options are asked of the program itself, so that this file
# cannot fall behind it.
_weir()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} weir=${COMP_WORDS[0]}
	local words=

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words="$("$weir" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p') --help --version"
	elif [[ $cur == -* ]]; then
		words=$("$weir" "${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)
	else
		case $prev in
		--format) words="text json jsonl csv sarif" ;;
		--state) words="pending approved rejected expired cancelled used all" ;;
		esac
		if [[ -z $words && COMP_CWORD -eq 2 ]]; then
			case ${COMP_WORDS[1]} in
			approvals) words="list show approve reject" ;;
			audit) words="tail show verify export" ;;
			doctor) words="postgres" ;;
			esac
		fi
	fi
	if [[ -n $words ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -o filenames -F _weir weir
