#!/bin/sh
# Installs Berth from a release: the files lie beside this script, or at a URL.
#
#   sh install.sh                       the server on this Linux machine; asks before it changes anything
#   sh install.sh --from DIR|URL …      takes the release's files from there
#   sh install.sh --cli                 only the command line, in /usr/local/bin (BERTH_BIN names another directory)
#
# Everything else is handed on to "berth install": --yes, --plan, --domain NAME, --data DIR, …
set -eu

say() { printf '%s\n' "$*" >&2; }

die() {
	say "install.sh: $*"
	exit 1
}

# platform prints what the release calls this machine.
platform() {
	case $(uname -s) in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	*) die "there is no Berth for $(uname -s); on Windows download berth-…-windows-amd64.exe" ;;
	esac
	case $(uname -m) in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) die "there is no Berth for $(uname -m) processors, only for amd64 and arm64" ;;
	esac
	printf '%s\n' "$os-$arch"
}

# download fetches a file of the release into the directory.
download() { # url, name
	if command -v curl >/dev/null 2>&1; then
		curl --fail --silent --show-error --location --output "$dir/$2" -- "$1/$2"
	elif command -v wget >/dev/null 2>&1; then
		wget -q -O "$dir/$2" -- "$1/$2"
	else
		die "needs curl or wget to download; install one, or put the release's files beside this script"
	fi || die "cannot download $1/$2"
}

# named prints the files of the checksum list that begin and end so.
named() { # beginning, end
	awk -v begin="$1" -v end="$2" '
		{ name = $2; rest = substr(name, length(name) - length(end) + 1) }
		index(name, begin) == 1 && rest == end { print name }' "$dir/SHA256SUMS"
}

# verify compares files with the checksum list.
verify() { # names…
	for name in "$@"; do
		want=$(awk -v name="$name" '$2 == name { print $1 }' "$dir/SHA256SUMS")
		if command -v sha256sum >/dev/null 2>&1; then
			got=$(sha256sum <"$dir/$name")
		else
			got=$(shasum -a 256 <"$dir/$name")
		fi
		[ -n "$want" ] && [ "${got%% *}" = "$want" ] || die "$name is not what SHA256SUMS says; get the release again. Nothing was changed."
	done
}

main() {
	from='' cli=''
	here=$(dirname -- "$0")
	case ${1:-} in --from)
		[ $# -ge 2 ] || die "--from needs a directory or a URL"
		from=$2
		shift 2
		;;
	esac
	case ${1:-} in --cli)
		cli=yes
		shift
		;;
	esac
	[ -n "$from" ] || from=$here

	platform=$(platform)
	temporary=''
	case $from in
	http://* | https://*)
		temporary=$(mktemp -d)
		trap 'rm -rf -- "$temporary"' EXIT
		dir=$temporary
		download "${from%/}" SHA256SUMS
		;;
	*)
		dir=$(CDPATH='' cd -- "$from" && pwd) || die "there is no directory $from"
		[ -r "$dir/SHA256SUMS" ] || die "$dir has no SHA256SUMS: name the release's directory or URL with --from"
		;;
	esac

	program=$(named berth- "-$platform" | grep -v '^berth-agent-' || :)
	[ -n "$program" ] || die "this release has nothing for $platform"
	[ "$(printf '%s\n' "$program" | wc -l)" -eq 1 ] || die "$dir holds several releases: keep one"
	[ "$platform" = "${platform#linux-}" ] && cli=yes

	# The server offers the command line of its version to everybody, so it gets all of them.
	files=$program
	[ -n "$cli" ] || files=$(named berth- '')
	for name in $files; do
		[ -z "$temporary" ] || download "${from%/}" "$name"
		[ ! -e "$dir/$name" ] && [ "$name" != "$program" ] && continue
		verify "$name"
	done
	[ -x "$dir/$program" ] || chmod +x "$dir/$program"

	if [ -n "$cli" ]; then
		bin=${BERTH_BIN:-/usr/local/bin}
		mkdir -p -- "$bin" && cp -- "$dir/$program" "$bin/.berth-new" && chmod 755 "$bin/.berth-new" && mv -f -- "$bin/.berth-new" "$bin/berth" ||
			die "cannot write to $bin: say it with sudo, or name another directory with BERTH_BIN"
		say "$bin/berth is installed. Log in to a server with: berth login LINK"
		return
	fi
	# Piped into a shell, this script is the standard input; questions are asked at the terminal.
	if [ ! -t 0 ] && (: </dev/tty) 2>/dev/null; then
		"$dir/$program" install --dist "$dir" "$@" </dev/tty
	else
		"$dir/$program" install --dist "$dir" "$@"
	fi
}

main "$@"
