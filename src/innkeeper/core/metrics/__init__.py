"""Metrics: what servers used, over time."""
