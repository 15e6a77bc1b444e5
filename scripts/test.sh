#!/usr/bin/env bash
# Runs every test, in the order cheapest bad news first as go test does, with Docker and the scenarios.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

minutes=${BERTH_TEST_MINUTES:-25}

scripts/docker-engine.sh
scripts/test-tools.sh
scripts/assets.sh

# Tests of builds and databases stand on the runtime images: the test that makes them comes first.
go test -race -timeout "${minutes}m" -tags docker -run '^TestPrepareMakesEveryImage$' ./images

# At most two packages at once: the tests of Docker, BuildKit and scenarios share one engine.
# The module holds for one package; the outer limit ends what does not end by itself, with its children.
exec timeout --kill-after=60 "${minutes}m" \
	go test -race -shuffle=on -p 2 -timeout "${minutes}m" -tags docker,e2e "$@" "${BERTH_TEST_PACKAGES:-./...}"
