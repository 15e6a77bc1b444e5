#!/usr/bin/env bash
# Removes what the Berth on $BERTH_DATA made on this machine: deployments, their containers, networks,
# images and volumes; the runtime images, unless BERTH_KEEP_IMAGES is set or another Berth is here; its data and
# binaries. Nothing else: not Docker, and not BuildKit's cache, in which nobody's entries can be told apart.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/server.sh

[ "$(id -u)" = 0 ] || exec sudo --preserve-env=BERTH_DATA,PATH -- "$0" "$@"

# Another Berth, on a data directory of its own, may run from the same binaries.
remove_binaries() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		if [ "$(readlink -- "$exe" 2>/dev/null)" = "$PWD/bin/berth" ]; then
			say "bin/berth is running and stays."
			return 0
		fi
	done
	rm -rf -- bin
}

# Who cleans a checkout does not mean the server that this machine lives by.
[ ! -e "$BERTH_DATA/install.json" ] || die "The Berth on $BERTH_DATA is installed and stays: berth uninstall removes it. BERTH_DATA names another."

if [ ! -e "$BERTH_DATA/berth.db" ]; then
	say "There is no Berth on $BERTH_DATA."
	remove_binaries
	exit 0
fi
case $BERTH_DATA in /*/*) ;; *) die "BERTH_DATA=$BERTH_DATA is not a directory that anybody would want removed." ;; esac

# The server knows what is its own; whoever sweeps behind its back would have to guess.
if ! answers; then
	scripts/docker-engine.sh
	[ -x bin/berth ] || scripts/build.sh
	stop_server
	start_server
fi
for slug in $(bin/berth ls --json | tr '{,' '\n\n' | sed -nE 's/.*"slug": *"([^"]*)".*/\1/p'); do
	say "Deleting $slug"
	bin/berth delete "$slug" --yes --wait
done
stop_server

# The images that Berth makes are named berth/…; all servers of a machine share them, so the last one
# removes them. One that somebody's container uses is left to them.
if [ -z "${BERTH_KEEP_IMAGES:-}" ] && [ -z "$(docker ps -aq --filter label=sh.berth.server)" ]; then
	docker image ls --filter 'reference=berth/*' --format '{{.Repository}}:{{.Tag}}' | while read -r name; do
		docker image rm "$name" >/dev/null 2>&1 || say "Image $name is in use and stays."
	done
fi

# Deepest first; a mount below would have its content removed with the directory.
findmnt --raw --noheadings --output TARGET | awk -v dir="$BERTH_DATA/" 'index($0, dir) == 1' | sort -r |
	while read -r mount; do umount -- "$mount"; done
rm -rf --one-file-system -- "$BERTH_DATA"
remove_binaries
say "Berth is gone from this machine."
