"""Product-free helpers, each module named by its subject.

Nothing here knows what a game server, a panel or a node is: a module that would have to belongs to another room.
"""
