#!/bin/sh
# Make tests/clients/crafty_async: an environment for one client whose module has the name of another one's.
#
# Needs .venv, whose Python it uses. Ends at once when nothing has changed since it last ended well.
set -eu
cd -P "$(dirname "$0")/.."
where=tests/clients/crafty_async
stamp=$where/stamp
state=$(cat requirements/crafty-async.txt tools/crafty-async.sh | cksum)

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
    exit 0
fi
rm -rf "$where"
.venv/bin/python -m venv "$where"
"$where/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/crafty-async.txt
printf '%s\n' "$state" >"$stamp"
