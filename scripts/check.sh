#!/usr/bin/env bash
# Says what a reviewer would say by machine. Every check runs, even after one failed.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

tags=docker,e2e
failed=()

tool() { go tool -modfile=tools/go.mod "$@"; }

check() { # name, command…
	local name=$1 began=$SECONDS out
	shift
	if out=$("$@" 2>&1); then
		printf 'ok    %-18s %3ds\n' "$name" $((SECONDS - began))
		[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/      /'
	else
		printf 'FAIL  %-18s %3ds\n%s\n' "$name" $((SECONDS - began)) "$out"
		failed+=("$name")
	fi
}

formatted() {
	local out
	out=$(git ls-files -z '*.go' | xargs -0 -r gofmt -l) && [ -z "$out" ] || {
		printf '%s\n' "$out"
		return 1
	}
}

# Knows nothing of the network's moods: no database, no verdict.
vulnerable() {
	local out code=0
	out=$(timeout 300 go tool -modfile=tools/go.mod govulncheck -tags "$tags" ./... 2>&1) || code=$?
	case $out in
	*"fetching vulnerabilities"*)
		say "skipped: its database cannot be reached from here"
		return 0
		;;
	esac
	[ "$code" -eq 0 ] || printf '%s\n' "$out"
	return "$code"
}

# Runs the generators in a copy, so that a check changes nothing.
generated() {
	git grep -q '^//go:generate' -- '*.go' || return 0
	local copy code=0
	copy=$(mktemp -d)
	git ls-files -z | xargs -0 cp --parents -t "$copy"
	(cd "$copy" && go generate ./...) || code=$?
	git ls-files -z | while IFS= read -r -d '' file; do
		cmp -s -- "$file" "$copy/$file" || { say "$file is not what its generator makes"; exit 1; }
	done || code=1
	rm -rf -- "$copy"
	return "$code"
}

# Every direct dependency has its line.
documented() {
	local module code=0
	while read -r module; do
		grep -qF -- "${module#*/}" docs/dependencies.md || {
			say "$module has no line in docs/dependencies.md"
			code=1
		}
	done < <(go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all | sed -E '/^$/d; s#/v[0-9]+$##')
	return "$code"
}

# The console's scripts, as TypeScript sees them.
typed() { rm -f ui/dist/.made && scripts/assets.sh && npm --prefix ui/web run --silent check; }

check gofmt formatted
check "go vet" go vet -tags "$tags" ./...
check "on macOS" env GOOS=darwin GOARCH=arm64 go vet ./cmd/berth
check "on Windows" env GOOS=windows GOARCH=amd64 go vet ./cmd/berth
check staticcheck tool staticcheck -tags "$tags" ./...
check errcheck tool errcheck -tags "$tags" -exclude tools/errcheck.txt -ignoretests ./...
check TypeScript typed
check "go.mod is tidy" go mod tidy -diff
check "generated is fresh" generated
check "dependencies" documented
check govulncheck vulnerable

[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
