"""The functions, a module for each group; importing a module registers its functions."""

from __future__ import annotations

import importlib
from functools import cache

OPERATORS = ("arithmetic", "bits", "comparison", "logic")
GROUPS = (
    "arrays",
    "casts",
    "conditional",
    "dates",
    "formats",
    "hashes",
    "json",
    "lambdas",
    "maps",
    "mathematics",
    "random",
    "regex",
    "rounding",
    "strings",
    "structs",
    "text",
)


@cache
def load() -> None:
    """Registers every operator and function."""
    for name in OPERATORS:
        importlib.import_module(f"headrace.expressions.operators.{name}")
    for name in GROUPS:
        importlib.import_module(f"headrace.expressions.functions.{name}")
