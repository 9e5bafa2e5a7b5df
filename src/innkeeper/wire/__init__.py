"""What panel and node say to each other: the messages, how they become bytes, and what the bus between them promises.

Nothing here knows which bus carries the bytes, who runs on either side, or what the product does with what is said.
"""
