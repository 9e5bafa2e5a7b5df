"""Fakes and contract suites, shipped for those who write drivers, stores and buses.

A suite is a class: derive from it, say in a fixture how yours is made, and pytest runs the contract over it. Fakes are
scripted real implementations. Nothing here is imported by the product itself.
"""
