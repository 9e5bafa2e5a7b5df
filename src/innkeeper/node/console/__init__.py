"""The console journal: every line a game server ever printed, numbered; it knows no game and no viewer."""
