"""Ways to execute a game server, each a module."""
