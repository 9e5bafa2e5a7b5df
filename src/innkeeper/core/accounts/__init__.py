"""Accounts: the people (and programs) that the product knows by name."""
