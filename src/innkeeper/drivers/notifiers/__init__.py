"""Places that take notices; each module is one, and knows its form of message alone."""
