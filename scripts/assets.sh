#!/usr/bin/env bash
# Makes the console's scripts, styles and fonts in ui/dist, from ui/web and npm, unless nothing has changed since.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

made=ui/dist/.made
sum=$(cd ui/web && find . -path ./node_modules -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
[ -f "$made" ] && [ "$(cat "$made")" = "$sum" ] && exit 0
for program in node npm; do
	command -v "$program" >/dev/null 2>&1 || die "The console is made with Node.js and npm, and there is no $program here: install nodejs and npm (Node.js 18 or newer)."
done
cd ui/web
installed=node_modules/.installed-from
if ! cmp -s package-lock.json "$installed"; then
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cp package-lock.json "$installed"
fi
npm run --silent build
cd ../..
printf '%s\n' "$sum" >"$made"
