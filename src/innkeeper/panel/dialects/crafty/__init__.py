"""The dialect of Crafty Controller's API v2."""
