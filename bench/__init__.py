"""Benchmarks: what the product reaches, beside what this machine could do at the same moment. See README.md."""
