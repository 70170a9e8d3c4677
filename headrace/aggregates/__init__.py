"""Aggregates: how they are declared (`declare`), and the small algebras that compute them over panes."""
