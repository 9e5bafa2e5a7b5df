"""The least that could do the same work on this machine: what our figures are held against."""
