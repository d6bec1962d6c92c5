"""How a node gets its credentials, keeps them and renews them."""
