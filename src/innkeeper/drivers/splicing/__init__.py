"""What the formats of config files have in common, each of which knows only its own syntax."""
