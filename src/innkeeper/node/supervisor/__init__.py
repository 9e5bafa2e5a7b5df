"""Supervision of game servers: a machine that decides, a runner that performs, and what both read off the console."""
