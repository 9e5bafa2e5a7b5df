"""What a driver promises: runtime, installer, game. Plain types, no implementation."""
