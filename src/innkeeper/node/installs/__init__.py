"""Carrying out install steps on a node."""
