"""The panel: what people and programs speak to, and the product behind it."""
