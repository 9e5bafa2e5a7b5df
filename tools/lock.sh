#!/bin/sh
# Write the locked requirement files from pyproject.toml: exact versions and hashes, no address.
#
# Versions already in a file are kept while they fit; UPGRADE=1 takes the newest of everything,
# UPGRADE="name other" the newest of these packages.
set -eu
cd "$(dirname "$0")/.."

uv=.venv/bin/uv
case "${UPGRADE:-}" in
    '') upgrade= ;;
    1) upgrade=--upgrade ;;
    *) upgrade=$(for name in $UPGRADE; do printf ' --upgrade-package %s' "$name"; done) ;;
esac

# compile FILE ARGUMENT...
compile() {
    file=$1
    shift
    # shellcheck disable=SC2086 # $upgrade is a list of words
    "$uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header \
        $upgrade --output-file "$file" "$@"
    printf '%s\n' "$file: $(grep -c '==' "$file") packages"
}

compile requirements/run.txt pyproject.toml
compile requirements/dev.txt pyproject.toml --group dev --constraint requirements/run.txt
compile requirements/crafty-async.txt --group crafty-async
compile requirements/uv.txt --group uv
compile requirements/node.txt --group node

if grep -n '://' requirements/*.txt; then
    echo "A requirement file names an address: see the lines above." >&2
    exit 1
fi
