"""Players: who is on a server now."""
