"""Query protocols of games, each a module."""
