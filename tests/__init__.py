"""The tests; a package of its own so that no installed `tests` package is found in its place."""
