"""Backups: what was kept of a server at one moment, for how long, and how it comes back."""
