"""Core's stores, kept in SQLite or PostgreSQL by one set of explicit queries.

`database.Database` opens transactions, `schema` says what the tables are, `migrations` bring a database there, and each
noun has a module of its own that knows its tables and no others. Nothing here decides anything: what may be done, and
when, is core's.
"""
