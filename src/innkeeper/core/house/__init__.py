"""The house itself: what its administrator decides about it while it runs."""
