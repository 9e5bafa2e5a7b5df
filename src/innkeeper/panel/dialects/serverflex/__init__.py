"""ServerFlex's REST API, base path `/1.0`. ref: ServerFlex's developer hub."""
