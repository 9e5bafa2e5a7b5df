"""Player lists, one module a format."""
