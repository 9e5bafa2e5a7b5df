"""The buses that keep the promise of `innkeeper.wire.bus`: within one process, and over NATS.

`delivery` is what they share. Nothing here knows what the bytes mean or who sends them.
"""
