"""Ways to fill a server's folder; each module is one installer, named by the `uses` of an install step."""
