"""Foreign dialects: other systems' words for the one product. None knows another."""
