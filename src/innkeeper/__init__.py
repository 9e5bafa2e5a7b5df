"""Innkeeper keeps game servers: it installs, runs, watches, backs up, meters and shares them.

This package marker says what the distribution is and refuses to know anything else: importing it
must stay free of side effects and cost, because every game server's keeper process pays for it.
"""
