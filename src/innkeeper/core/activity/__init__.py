"""Activity: who did what, from where, by which dialect."""
