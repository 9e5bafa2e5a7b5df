"""The node: runs game servers on one machine; it knows no accounts and no database."""
