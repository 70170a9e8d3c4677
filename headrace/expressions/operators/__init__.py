"""The operators, each in the registry under the sign or word it is written with."""
