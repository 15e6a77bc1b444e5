#!/usr/bin/env bash
# Builds the two static binaries, both at once. Where no npm answers, the server has no console and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/assets.sh || say "The console could not be made: this server will have none. Everything else is there."
mkdir -p bin
build_program bin/berth ./cmd/berth &
server=$!
build_program bin/berth-agent ./cmd/berth-agent &
agent=$!
wait "$server"
wait "$agent"
