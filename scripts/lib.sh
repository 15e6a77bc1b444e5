# What the other scripts share; source it. It changes nothing by itself.

export LC_ALL=C
BERTH_DATA=${BERTH_DATA:-/var/lib/berth}
export BERTH_DATA
export BERTH_SOCKET="${BERTH_SOCKET:-$BERTH_DATA/run/berth.sock}"

# say prints a line for people.
say() { printf '%s\n' "$*"; }

# die prints a line for people and ends.
die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# as_root runs a command as root, by sudo where it has to.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo -- "$@"
	else
		die "This needs root, and there is no sudo here: run it as root."
	fi
}

# apt_install installs Debian packages without asking anything.
apt_install() {
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# version is what programs call themselves.
version() { printf '%s\n' "${BERTH_VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}"; }

# build_program builds a static program, for GOOS and GOARCH where those are set. The same source makes the
# same bytes: no paths, no time, no network.
build_program() { # file, package
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -buildid= -X main.version=$(version)" -o "$1" "$2"
}
