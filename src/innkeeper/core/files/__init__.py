"""Files: what lies in a server's folder, reached through its node's jail."""
