#!/bin/sh
# Installs the berth command, of the version of the server that this came from:
#   curl -fsS {{.}}/install.sh | sh -s -- CHECKSUM
# berth login-link says the checksum on the server. No binary that does not have it is kept or run. This script itself came
# over plain HTTP: where somebody may stand between, read it first, or take the command from the release that was installed.
set -eu

server='{{.}}'
sum=${1:-}

fail() {
	printf 'berth: %s\n' "$*" >&2
	exit 1
}

case $sum in
'' | *[!0-9a-f]*) sum= ;;
esac
[ ${#sum} -eq 64 ] || fail "this came over plain HTTP, so it needs the checksum that berth login-link says on the server: … | sh -s -- CHECKSUM"

case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
*) fail "there is no berth command for $(uname -s) by this script" ;;
esac
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
*) fail "there is no berth command for $(uname -m)" ;;
esac

get() { # URL file
	if command -v curl >/dev/null 2>&1; then
		curl -fsS -o "$2" "$1"
	else
		wget -q -O "$2" "$1"
	fi
}

sha256() { # file
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum <"$1"
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256 <"$1"
	else
		openssl dgst -sha256 -r <"$1"
	fi | cut -d ' ' -f 1
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
get "$server/cli/SHA256SUMS" "$dir/sums" || fail "$server does not answer"
[ "$(sha256 "$dir/sums")" = "$sum" ] || fail "what $server gives does not have this checksum: nothing was installed. Ask berth login-link on the server again"
want=$(awk -v platform="$os-$arch" '$2 == platform { print $1 }' "$dir/sums")
[ -n "$want" ] || fail "this server has no berth command for $os-$arch"
get "$server/cli/$os-$arch" "$dir/berth" || fail "$server does not give the command for $os-$arch"
[ "$(sha256 "$dir/berth")" = "$want" ] || fail "what $server gives does not have its checksum: nothing was installed"

if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to=$HOME/.local/bin; fi
mkdir -p "$to"
chmod 755 "$dir/berth"
mv "$dir/berth" "$to/berth"
printf '%s\n' "berth is in $to. Log in with a link: berth login 'LINK'"
case :$PATH: in
*:"$to":*) ;;
*) printf '%s\n' "$to is not on your PATH yet." ;;
esac
