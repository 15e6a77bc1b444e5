#!/usr/bin/env bash
# Builds the two static binaries, both at once.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

mkdir -p bin
build_program bin/berth ./cmd/berth &
server=$!
build_program bin/berth-agent ./cmd/berth-agent &
agent=$!
wait "$server"
wait "$agent"
