"""The routes, a module for each noun: they parse, make one call on core, and show what comes back."""
