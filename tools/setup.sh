#!/bin/sh
# Make .venv: Python, the locked packages, Node.js where the machine has none, and this project, editable.
#
# Needs Python >= 3.11 and nothing else; PYTHON names one. Ends at once when nothing has changed since it last ended well.
set -eu
cd -P "$(dirname "$0")/.."
here=$PWD
venv=$here/.venv
stamp=$venv/setup-stamp
python=${PYTHON:-}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

state() { # what an environment depends on, in one line
    printf '%s %s ' "$here" "$("$venv/bin/python" -c 'import sys; print(sys.version_info[:3])' 2>&1 || true)"
    cat requirements/*.txt pyproject.toml tools/setup.sh | cksum
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(state)" ]; then
    exit 0
fi

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

choose_python() {
    [ -z "$python" ] || { recent "$python" || fail "$python is not a Python 3.11 or later."; return; }
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if recent "$name"; then python=$name; return; fi
    done
    fail "no Python 3.11 or later was found; install one, or name it: make setup PYTHON=/path/to/python3"
}

has() { "$python" -c "import $1" >/dev/null 2>&1; }

install_venv_on_debian() {
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null || fail "$python has neither ensurepip nor pip: install its venv package."
    [ "$(id -u)" = 0 ] || fail "$python has neither ensurepip nor pip. On Debian or Ubuntu: sudo apt-get install $package"
    say "installing the system package $package"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >&2
    has ensurepip || fail "$python still cannot make a virtual environment with $package installed."
}

make_venv() {
    rm -rf "$venv"
    choose_python
    has ensurepip || has pip || install_venv_on_debian
    say "making .venv with $("$python" --version)"
    if has ensurepip; then
        "$python" -m venv "$venv"
    else
        "$python" -m venv --without-pip "$venv"
    fi
}

install_uv() {
    if "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        pip="$venv/bin/python -m pip"
    else # pip of the machine's own Python works on the environment from outside
        choose_python
        pip="$python -m pip --python $venv/bin/python"
    fi
    # shellcheck disable=SC2086 # $pip is a list of words
    $pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: -r requirements/uv.txt
}

install() { "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" "$@"; }

# A copied or moved checkout, or an upgraded Python, leaves an environment whose paths lie.
if ! "$venv/bin/python" -c "import sys; sys.exit(sys.prefix != '$venv' or sys.version_info < (3, 11))" 2>/dev/null ||
    ! grep -qsF "$venv" "$venv/bin/activate"; then
    make_venv
fi

# Without a writable home there is no place for caches but here.
if ! { [ -n "${HOME:-}" ] && [ -w "$HOME" ]; }; then
    UV_CACHE_DIR=$venv/cache/uv
    export UV_CACHE_DIR
fi

rm -f "$stamp"
say "installing the locked packages"
install_uv
# Compiled now, whatever PYTHONDONTWRITEBYTECODE says: without it every start of `innkeeper` compiles all it imports.
install --compile-bytecode --require-hashes -r requirements/dev.txt
install --no-deps --no-build-isolation --editable .
"$venv/bin/python" -m compileall -q src

node_major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
if [ "${node_major:-0}" -lt 20 ] || ! command -v npm >/dev/null; then
    say "installing Node.js into .venv: the machine has none of version 20 or later"
    install --require-hashes -r requirements/node.txt
fi

state >"$stamp"
say "done"
