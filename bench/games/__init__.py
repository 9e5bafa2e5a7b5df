"""Programs that stand in for game servers; they run with a bare interpreter and import nothing of ours."""
