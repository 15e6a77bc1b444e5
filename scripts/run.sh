#!/usr/bin/env bash
# From a bare machine to the example, deployed twice, each answering at its own HTTPS host. Run again
# it finds all of that done and prints the table. Exits 0 only if every host answered.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/server.sh

[ "$(id -u)" = 0 ] || exec sudo --preserve-env=BERTH_DATA,PATH,SSH_CONNECTION -- "$0" "$@"

project=guestbook
steps=()
step() { # what, command…
	local what=$1 began=$EPOCHREALTIME took
	shift
	printf '%s …\n' "$what"
	"$@" || die "$what: failed"
	took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	steps+=("$(printf '%7s s  %s' "$took" "$what")")
}

prepare() {
	# The engine is installed while the compiler runs: the one waits for the network, the other for the CPU.
	scripts/docker-engine.sh &
	local engine=$!
	scripts/build.sh || return 1
	wait "$engine"
}

serve() {
	answers && return 0
	stop_server # one that runs and does not answer
	start_server
}

create_project() {
	bin/berth project show "$project" >/dev/null 2>&1 ||
		bin/berth project create "$project" --dir examples/guestbook
}

# Both at once: what they have in common is built once.
deploy() {
	local stage pids=()
	for stage in development production; do
		bin/berth show "$stage-$project" >/dev/null 2>&1 && continue
		bin/berth create "$project" --name "$stage" --stage "$stage" --wait &
		pids+=("$!")
	done
	for stage in "${pids[@]}"; do wait "$stage" || return 1; done
	for stage in development production; do
		bin/berth wait "$stage-$project" --for running --timeout 5m || return 1
	done
}

hosts() { # deployment
	bin/berth show "$1" --json | tr '{' '\n' | sed -nE 's/.*"url": *"(https:[^"]*)".*/\1/p' | sort -u
}

fetch() {
	local url stage host port
	bin/berth ca >"$BERTH_DATA/ca.crt"
	# The machine's authorities and Berth's own: a host may have a public certificate by now.
	local trusted="$BERTH_DATA/run/ca.crt"
	for stage in development production; do
		for url in $(hosts "$stage-$project"); do
			host=${url#https://}
			host=${host%%/*}
			port=443
			case $host in *:*) port=${host##*:} host=${host%%:*} ;; esac
			curl --silent --show-error --fail --output /dev/null --max-time 30 --retry 5 --retry-all-errors \
				--cacert "$trusted" --resolve "$host:$port:127.0.0.1" "$url" || return 1
			answered+=("$stage  $url")
		done
	done
	[ ${#answered[@]} -ge 2 ]
}

answered=()
step "engine and binaries" prepare
step "server" serve
step "project $project" create_project
step "deployments" deploy
step "every host over HTTPS, its certificate verified" fetch

cat <<TABLE

$(printf '%s\n' "${steps[@]}")

$(printf '  %s\n' "${answered[@]}")

  browser     bin/berth ca install on the machine of the browser, trust $BERTH_DATA/ca.crt there, or accept the warning
  log in      bin/berth login-link
  next        bin/berth status development-$project     bin/berth logs production-$project -f
              make stop (containers run on)             make clean (removes all of it)

TABLE
bin/berth status
