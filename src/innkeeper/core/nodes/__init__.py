"""Nodes: the hosts that run game servers, and the promise by which the product reaches them."""
