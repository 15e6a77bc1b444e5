#!/usr/bin/env bash
# Brings public repositories to Berth as they are, and writes docs/compatibility.md.
# BERTH_COMPAT_REPOS is a directory with a clone of each subject of e2e/compat_subjects_test.go, named OWNER+NAME. Where
# GitHub is reached they are cloned by this:
#   grep -o 'repository: "[^"]*' e2e/compat_subjects_test.go | cut -d'"' -f2 | while read r; do git clone "https://github.com/$r" "$BERTH_COMPAT_REPOS/${r/\//+}"; done
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
[ -n "${BERTH_COMPAT_REPOS:-}" ] || die "Say in BERTH_COMPAT_REPOS where the clones are; scripts/compat.sh tells how to make them"
export BERTH_COMPAT_REPOS
scripts/docker-engine.sh
scripts/test-tools.sh
exec go test -tags e2e,compat -timeout 100m -run '^TestCompatibility$' -v "$@" ./e2e
