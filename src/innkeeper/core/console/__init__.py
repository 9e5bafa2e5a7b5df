"""Console: numbered lines, live and from the journal."""
