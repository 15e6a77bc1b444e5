#!/usr/bin/env bash
# Makes a release in dist/: the server with its helper for Linux, the command line for everybody, checksums
# and install.sh. BERTH_DIST names another directory, BERTH_DIST_TARGETS fewer systems, BERTH_VERSION the version.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

dist=${BERTH_DIST:-dist}
targets=${BERTH_DIST_TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
version=$(version)

scripts/assets.sh
rm -rf -- "$dist"
mkdir -p -- "$dist"
for target in $targets; do
	export GOOS=${target%/*} GOARCH=${target#*/}
	name=$version-$GOOS-$GOARCH
	case $GOOS in
	linux)
		build_program "$dist/berth-agent-$name" ./cmd/berth-agent
		build_program "$dist/berth-$name" ./cmd/berth
		;;
	windows) build_program "$dist/berth-$name.exe" ./cmd/berth ;;
	*) build_program "$dist/berth-$name" ./cmd/berth ;;
	esac
	say "$target"
done
cp scripts/install.sh "$dist/install.sh"
cd "$dist"
sha256sum -- berth-* install.sh >SHA256SUMS
