"""The legacy shop's data, in and out: users, products and orders of its dumps."""
