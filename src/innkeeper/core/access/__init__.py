"""Access: what an account may do, on which server, by which key."""
