"""Messages to the outside about what happened to a server: who wants them, and what became of each."""
