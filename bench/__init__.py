"""Measurements; nothing in the product imports them."""
