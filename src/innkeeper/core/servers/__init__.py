"""Servers: the game servers that the product keeps, and the states they go through."""
