"""Where backups may be kept: each module one kind of blob store."""
