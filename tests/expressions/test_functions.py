"""User functions: called by name, over whole columns, checked in what they give."""

from __future__ import annotations

import polars as pl
import pytest

from headrace.errors import DefinitionError, ExpressionError, UsageError
from headrace.expressions import compile_expression, evaluate
from headrace.functions import Function, function
from headrace.types import DataType, Float64, Int64, String

SCHEMA: dict[str, DataType] = {"x": Float64, "name": String}
FRAME = pl.DataFrame({"x": [1.0, None, 3.0], "name": ["a", "b", None]})


@function(returns=Float64)
def doubled(x: pl.Series) -> pl.Series:
    return x * 2


@function(returns=Int64, name="joined_length")
def length_of_both(a: pl.Series, b: pl.Series) -> pl.Series:
    return (a + b).str.len_chars()


def compiled(text: str, *functions: Function) -> pl.Series:
    return compile_expression(text, SCHEMA, functions={f.name: f for f in functions}).evaluate(FRAME)


def test_a_function_is_called_by_name_inside_an_expression() -> None:
    assert compiled("coalesce(DOUBLED(x) + 1, 0)", doubled).to_list() == [3.0, 0.0, 7.0]


def test_its_result_is_cast_to_the_declared_type() -> None:
    out = compiled("joined_length(name, 'zz')", length_of_both)
    assert (out.dtype, out.to_list()) == (pl.Int64, [3, 3, None])


def test_a_constant_argument_is_a_whole_column() -> None:
    assert compiled("doubled(4.0D)", doubled).to_list() == [8.0, 8.0, 8.0]


def test_it_says_what_it_reads() -> None:
    e = compile_expression("doubled(x)", SCHEMA, functions={"doubled": doubled})
    assert (e.columns, e.type) == ({"x"}, Float64)


def test_the_wrong_number_of_arguments_is_refused_when_declared() -> None:
    with pytest.raises(ExpressionError, match="takes 1 arguments, got 2") as error:
        compiled("doubled(x, x)", doubled)
    assert error.value.reason == "wrong_arity"


def test_a_result_of_another_length_or_type_is_told() -> None:
    short = Function("short", Float64, lambda x: x.head(1), (1, 1))
    wordy = Function("wordy", Float64, lambda x: pl.Series(["a"] * len(x)), (1, 1))
    with pytest.raises(UsageError, match="one value for each row: expected 3, got 1"):
        short(FRAME["x"])
    with pytest.raises(UsageError, match="must give Float64, got String"):
        wordy(FRAME["x"])


@pytest.mark.parametrize("name", ["upper", "sum", "explode", "current_date"])
def test_the_name_of_a_spark_function_is_taken(name: str) -> None:
    with pytest.raises(DefinitionError, match="is a function of Spark SQL already"):
        function(returns=Float64, name=name)(lambda x: x)


def test_a_function_must_be_callable_by_position_and_take_a_column() -> None:
    with pytest.raises(DefinitionError, match="takes no column"):
        function(returns=Float64, name="none")(lambda: 1)

    def keyword(x: pl.Series, *, scale: float) -> pl.Series:
        return x * scale

    with pytest.raises(DefinitionError, match="keyword argument `scale`"):
        function(returns=Float64)(keyword)


def test_it_runs_in_evaluate_too() -> None:
    table = FRAME.to_arrow()
    assert evaluate("doubled(x)", table, functions={"doubled": doubled}).to_pylist() == [2.0, None, 6.0]
