"""Catalog: the games that can be installed, each described by a package file."""
