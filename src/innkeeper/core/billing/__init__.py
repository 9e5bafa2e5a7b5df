"""Billing: a double-entry ledger of credits, the pools that share them, and the meters of running servers."""
