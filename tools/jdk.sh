#!/bin/sh
# Have a Java development kit for the tests whose game runs in a Java virtual machine: no package of PyPI or npm brings
# one with a compiler, so it is Debian's. Where it cannot be installed those tests are skipped, and say so.
set -eu

say() { printf 'setup: %s\n' "$*" >&2; }

if command -v javac >/dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "there is no Java development kit: tests that need one will be skipped (Debian: apt-get install default-jdk-headless)"
    exit 0
fi
say "installing the system package default-jdk-headless, for tests"
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends default-jdk-headless; } >&2; then
    say "it could not be installed: tests that need it will be skipped"
fi
