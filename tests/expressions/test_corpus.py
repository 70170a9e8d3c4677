"""Every case of Spark's corpus, and our own, give Spark's type and values, however the rows are cut."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from headrace.errors import ExpressionError
from headrace.expressions import Expression, compile_expression, evaluate
from headrace.expressions.evaluate import to_arrow
from tests.expressions import corpus
from tests.expressions.tagged import differences, tagged

EXPRESSIONS = corpus.expressions()
OWN = corpus.own_cases()
UNSUPPORTED = corpus.unsupported()
CASES = {c["id"]: c for c in [*EXPRESSIONS, *OWN] if c["id"] not in UNSUPPORTED}
REJECTS = [*corpus.rejects(), *corpus.own_rejects()]


@cache
def compiled(text: str) -> Expression:
    return compile_expression(text, corpus.schema())


def over(expression: Expression, frame: pl.DataFrame) -> list[Any]:
    series = expression.evaluate(frame)
    assert series.dtype == expression.type.polars
    return tagged(to_arrow(series, expression.type), expression.type)


def wrong(case: dict[str, Any]) -> list[str]:
    """What is wrong with the result over the whole table."""
    expression = compiled(case["expr"])
    if expression.type.spark != case["type"]:
        return [f"type {expression.type.spark}, Spark gave {case['type']}"]
    if case["id"].startswith("own."):  # through Polars alone; Spark's corpus goes through Arrow as well
        return differences(over(expression, corpus.frame()), case, expression.type)
    array = evaluate(case["expr"], corpus.table())
    if array.type != expression.type.arrow:
        return [f"Arrow type {array.type}, not {expression.type.arrow}"]
    if case.get("nondeterministic"):
        whole = array.null_count == 0 and len(array) == corpus.table().num_rows
        return [] if whole else ["a null in what is never null"]
    return differences(tagged(array, expression.type), case, expression.type)


def test_the_corpus_is_there() -> None:
    if corpus.present():
        assert len(EXPRESSIONS) >= 379
        assert len(corpus.rejects()) >= 40
    elif corpus.required():
        pytest.fail(corpus.MISSING)
    else:
        pytest.skip(corpus.MISSING)
    assert len(OWN) >= 100


@pytest.mark.parametrize("name", CASES)
def test_the_whole_table_gives_what_spark_gave(name: str) -> None:
    assert wrong(CASES[name]) == []


@pytest.mark.parametrize("name", CASES)
def test_the_cut_of_the_rows_changes_nothing(name: str) -> None:
    """Rows alone, rows in another order, all but some."""
    case, expression, frame = CASES[name], compiled(CASES[name]["expr"]), corpus.frame()
    if case.get("nondeterministic"):
        return
    step = 29 if name.startswith("own.") else 7
    for i in range(sum(map(ord, name)) % step, frame.height, step):
        assert differences(over(expression, frame[i : i + 1]), case, expression.type, [i]) == []
    part = list(range(frame.height - 1, 0, -3))
    assert differences(over(expression, frame[part]), case, expression.type, part) == []


@pytest.mark.parametrize("name", CASES)
def test_the_type_does_not_depend_on_the_data(name: str) -> None:
    """No rows, and rows whose columns are all null: the same type, the same length, no failure."""
    expression, frame = compiled(CASES[name]["expr"]), corpus.frame()
    assert over(expression, frame.clear()) == []
    nulls = frame.clear(3).with_columns(_topic=pl.lit("t"), _partition=pl.lit(0), _offset=pl.lit(1, pl.Int64))
    assert len(over(expression, nulls)) == 3


def test_random_values_follow_the_offset_not_the_cut() -> None:
    for case in EXPRESSIONS:
        if case.get("nondeterministic"):
            expression, frame = compiled(case["expr"]), corpus.frame()
            alone = [over(expression, frame[i : i + 1])[0] for i in range(frame.height)]
            assert alone == over(expression, frame)
            assert len(set(alone)) == frame.height


def test_the_unsupported_cases_are_still_unsupported() -> None:
    known = {c["id"]: c for c in EXPRESSIONS}
    if corpus.present():
        assert set(UNSUPPORTED) <= set(known)
    for name in set(UNSUPPORTED) & set(known):
        assert known[name]["tier"] != "core"
        try:
            found = wrong(known[name])
        except ExpressionError:
            continue
        assert found, f"{name} works now: take it off unsupported.txt"


@pytest.mark.parametrize("case", REJECTS, ids=lambda c: c["id"])
def test_a_reject_is_refused_for_its_reason(case: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(case["expr"], corpus.schema())
    assert refused.value.reason == case["reject"]


def test_the_frame_of_the_tests_is_the_table() -> None:
    assert corpus.frame().height == corpus.table().num_rows == 60
    assert isinstance(corpus.table(), pa.Table)
