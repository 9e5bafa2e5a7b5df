"""ServerFlex's routes, by noun."""
