"""The table of functions in the documentation is the registry's, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headrace.errors import ExpressionError
from headrace.expressions import compile_expression, supported_functions
from headrace.expressions.refused import ABSENT
from headrace.expressions.support import updated
from headrace.types import String

DOCUMENT = Path(__file__).parents[2] / "docs" / "expressions.md"


def test_the_documented_functions_are_the_supported_ones() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == updated(text), "run: python -m headrace.expressions.support docs/expressions.md"


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the marks"):
        updated("# nothing here")


def test_the_examples_of_the_document_run() -> None:
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        exec(compile(example, str(DOCUMENT), "exec"), {})


def test_every_name_is_listed_once() -> None:
    names = [n for row in supported_functions() for n in (row.name, *row.aliases)]
    assert len(names) == len(set(names)) >= 250
    assert {"substring", "nvl", "date_format", "transform"} <= set(names)


def test_what_is_told_to_be_absent_is_not_there() -> None:
    there = {n for row in supported_functions() for n in (row.name, *row.aliases)}
    assert not ABSENT & there
    with pytest.raises(ExpressionError, match=r"`url_encode` of Spark is not supported; got .* `encode`"):
        compile_expression("url_encode(a)", {"a": String})
