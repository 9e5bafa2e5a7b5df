"""`python -m innkeeper` is the command `innkeeper`."""

from innkeeper.cli import main

main()
