#!/usr/bin/env bash
# Prints the table of measurements.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/docker-engine.sh
scripts/build.sh
exec go run ./bench "$@"
