"""The keeper: the small process that owns one game server; it knows no daemon, no panel and no game."""
