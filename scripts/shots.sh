#!/usr/bin/env bash
# Writes pictures of the console's main pages, light and dark, on a phone and a desk, into shots/.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/test-tools.sh
scripts/assets.sh
rm -rf -- shots
BERTH_SHOTS=$PWD/shots go test -count=1 -tags e2e -run '^TestShots$' ./ui
say "$(find shots -name '*.png' | wc -l) pictures are in shots/"
