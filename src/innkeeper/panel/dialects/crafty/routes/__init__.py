"""Crafty's routes, by noun."""
