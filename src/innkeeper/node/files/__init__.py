"""The files of a game server: every access goes through `jail.Jail`, which never leaves the server's folder.

This room refuses to know users, permissions, servers and protocols.
"""
