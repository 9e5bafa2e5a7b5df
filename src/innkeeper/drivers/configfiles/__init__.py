"""Formats of config files, each a module."""
