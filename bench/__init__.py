"""Benchmarks: the product on real components, one process measured from outside. See `python -m bench --help`."""
