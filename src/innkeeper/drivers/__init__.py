"""Implementations of what `contracts` promises; only composition roots choose among them."""
