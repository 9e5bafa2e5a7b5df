#!/bin/sh
# Install the locked npm packages of one directory, unless they are there already.
set -eu
cd "$(dirname "$0")/.."
dir=$1
stamp=$dir/node_modules/.setup-stamp

[ -f "$dir/package-lock.json" ] || exit 0

state() {
    node --version
    cat "$dir/package.json" "$dir/package-lock.json" | cksum
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(state)" ]; then
    exit 0
fi
if ! { [ -n "${HOME:-}" ] && [ -w "$HOME" ]; }; then
    npm_config_cache=$PWD/.venv/cache/npm
    export npm_config_cache
fi
printf 'setup: installing the npm packages of %s\n' "$dir" >&2
(cd "$dir" && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error >&2)
state >"$stamp"
