"""Pieces that every dialect's routes stand on: who asks, what a route needs, bodies, the server itself."""
