"""Vendors' ways to tell versions; each module is one index driver, named by the `uses` of a runtime's `index`."""
