"""What Spark raises at run time is null here: nothing raises on data."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.expressions import evaluate

TABLE = pa.table({"a": ["k", "m", None], "b": ["k", "n", "o"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("map(a, 1, b, 2)['k']", [None, None, None]),
        ("map(a, 1, b, 2)['n']", [None, 2, None]),
        ("map('k', 1, 'k', 2)['k']", [None] * 3),
        ("map('k', 1, a, 2)['k']", [None, 1, None]),
        ("length(encode(b, 'no-such-charset'))", [None] * 3),
        ("decode(cast(b as binary), concat('utf-', a))", [None] * 3),
    ],
)
def test_what_spark_raises_on_is_null(text: str, expected: list[object]) -> None:
    assert evaluate(text, TABLE).to_pylist() == expected
