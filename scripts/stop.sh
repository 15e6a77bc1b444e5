#!/usr/bin/env bash
# Stops the server that run.sh started. Containers run on; the next start adopts them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/server.sh

if ! running; then
	say "No server is running on $BERTH_DATA."
	exit 0
fi
stop_server
say "The server has stopped; the containers run on. make run starts it again."
