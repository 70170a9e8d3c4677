"""Every case of Spark's corpus, and our own, give Spark's type and values, however the rows are cut."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from headrace.errors import ExpressionError
from headrace.expressions import compile_expression, evaluate
from tests.expressions import corpus
from tests.expressions.tagged import differences, tagged

EXPRESSIONS = corpus.expressions()
OWN = corpus.own_cases()
UNSUPPORTED = corpus.unsupported()
VALUED = [c for c in EXPRESSIONS if c["id"] not in UNSUPPORTED] + OWN


def name(case: dict[str, Any]) -> str:
    return str(case["id"])


def compiled(case: dict[str, Any]) -> Any:
    return compile_expression(case["expr"], corpus.schema())


def wrong(case: dict[str, Any], table: pa.Table, rows: list[int] | None = None) -> list[str]:
    """What is wrong with the result over `table` (which is these `rows` of the case's)."""
    expression = compiled(case)
    if expression.type.spark != case["type"]:
        return [f"type {expression.type.spark}, Spark gave {case['type']}"]
    array = evaluate(case["expr"], table)
    if array.type != expression.type.arrow:
        return [f"Arrow type {array.type}, not {expression.type.arrow}"]
    if case.get("nondeterministic"):
        return ["a null in what is never null"] if array.null_count or len(array) != table.num_rows else []
    return differences(tagged(array, expression.type), case, expression.type, rows)


def test_the_corpus_is_there() -> None:
    if corpus.present():
        assert len(EXPRESSIONS) >= 379
        assert len(corpus.rejects()) >= 40
    elif corpus.required():
        pytest.fail(corpus.MISSING)
    else:
        pytest.skip(corpus.MISSING)


@pytest.mark.parametrize("case", VALUED, ids=name)
def test_the_whole_table_gives_what_spark_gave(case: dict[str, Any]) -> None:
    assert wrong(case, corpus.table()) == []


@pytest.mark.parametrize("case", VALUED, ids=name)
def test_the_cut_of_the_rows_changes_nothing(case: dict[str, Any]) -> None:
    """Single rows at steps through the table, and a part of it in another order."""
    count = corpus.table().num_rows
    start = sum(map(ord, case["id"])) % 7
    for i in range(start, count, 7):
        assert wrong(case, corpus.table().slice(i, 1), [i]) == []
    part = list(range(count - 1, 0, -3))
    assert wrong(case, corpus.table().take(part), part) == []


@pytest.mark.parametrize("case", VALUED, ids=name)
def test_the_type_does_not_depend_on_the_data(case: dict[str, Any]) -> None:
    """No rows, and rows whose columns are all null: the same type, the same length, no failure."""
    schema = corpus.table().schema
    expression = compiled(case)
    empty = evaluate(case["expr"], schema.empty_table())
    assert (len(empty), empty.type) == (0, expression.type.arrow)
    nulls = pa.table([pa.nulls(3, f.type) for f in schema], schema=schema)
    array = evaluate(case["expr"], nulls)
    assert (len(array), array.type) == (3, expression.type.arrow)


@pytest.mark.parametrize("case", [c for c in EXPRESSIONS if c["id"] in UNSUPPORTED], ids=name)
def test_a_case_listed_as_unsupported_still_is(case: dict[str, Any]) -> None:
    try:
        found = wrong(case, corpus.table())
    except ExpressionError:
        return
    assert found, f"{case['id']} works now: take it off unsupported.txt"


def test_every_listed_case_exists() -> None:
    if corpus.present():
        assert set(UNSUPPORTED) <= {c["id"] for c in EXPRESSIONS}
    assert not any(c["id"] in UNSUPPORTED and c["tier"] == "core" for c in EXPRESSIONS)


@pytest.mark.parametrize("case", corpus.rejects(), ids=name)
def test_a_reject_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(case["expr"], corpus.schema())
    assert refused.value.reason == case["reject"]
    assert str(refused.value)
