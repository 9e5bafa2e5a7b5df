"""Backups of the servers' folders: what is kept of them, where, and how it comes back."""
