"""Clients that make load, each a process of its own, lean enough not to be what is measured."""
