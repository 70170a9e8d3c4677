"""Columns of random schemas against fastavro: equal values, bad records refused, neighbours untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.avro import ColumnarDecoder, Columns, encode, parse_schema
from headrace.avro.flat_kernel import FLAT_WALK
from headrace.avro.walk import Walk
from tests.avro.random_schemas import expected, is_read, same, schemas, values, written

_SLOW = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
_GAP = b"\xfe\xca"  # stands between datums and belongs to none


@pytest.fixture(scope="module", autouse=True)
def _machine_code() -> None:
    FLAT_WALK.warm()


both_ways = pytest.mark.parametrize("native", [True, False], ids=["machine code", "without numba"])


def laid_out(datums: list[bytes]) -> tuple[memoryview, Any, Any]:
    lengths = np.array([len(d) for d in datums], np.int64)
    end = np.cumsum(lengths + len(_GAP)) - len(_GAP)
    return memoryview(_GAP.join(datums) + _GAP), end - lengths, end


def decode(schema: Any, datums: list[bytes], *, native: bool = True) -> Columns:
    root = parse_schema(schema).root
    return ColumnarDecoder(root, root, native=native).decode(*laid_out(datums))


@st.composite
def batches(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    schema = draw(schemas())
    return schema, draw(st.lists(values(schema), min_size=1, max_size=6))


@both_ways
@given(batch=batches())
@_SLOW
def test_every_schema_reads_as_fastavro_wrote_it(native: bool, batch: tuple[Any, list[Any]]) -> None:
    schema, records = batch
    found = decode(schema, [written(schema, r) for r in records], native=native)
    assert found.bad == []
    assert dict(found.frame.schema) == {k: t.polars for k, t in parse_schema(schema).columns.items()}
    for row, record in zip(found.frame.to_dicts(), records, strict=True):
        assert same(row, expected(schema, record))


@given(batch=batches())
@_SLOW
def test_three_ways_of_decoding_agree(batch: tuple[Any, list[Any]]) -> None:
    schema, records = batch
    laid = laid_out([written(schema, r) for r in records])
    root = parse_schema(schema).root
    compiled, stepwise = (Walk(root, native=native)(*laid) for native in (True, False))
    assert not compiled.fault.any()
    assert not stepwise.fault.any()
    assert same(compiled.frame.to_dicts(), stepwise.frame.to_dicts())
    quick = ColumnarDecoder(root, root, native=False).quickly(*laid)
    if quick is not None:
        assert same(_without_nulls(quick.to_dicts()), _without_nulls(compiled.frame.to_dicts()))


@st.composite
def poisoned(draw: st.DrawFn) -> tuple[Any, list[Any], int, bytes]:
    schema, records = draw(batches())
    where = draw(st.integers(0, len(records) - 1))
    datum = bytearray(written(schema, records[where]))
    match draw(st.sampled_from(["cut", "extend", "flip", "random", "long varint"])):
        case "cut":
            del datum[draw(st.integers(0, len(datum))) :]
        case "extend":
            datum += draw(st.binary(min_size=1, max_size=12))
        case "flip" if datum:
            for _ in range(draw(st.integers(1, 3))):
                datum[draw(st.integers(0, len(datum) - 1))] = draw(st.integers(0, 255))
        case "random":
            datum = bytearray(draw(st.binary(max_size=40)))
        case _ if datum:
            at = draw(st.integers(0, len(datum) - 1))
            datum[at : at + 1] = b"\xff" * 9 + b"\x01"
    return schema, records, where, bytes(datum)


@both_ways
@given(case=poisoned())
@settings(_SLOW, max_examples=100)
def test_a_damaged_record_costs_itself_alone(native: bool, case: tuple[Any, list[Any], int, bytes]) -> None:
    schema, records, where, datum = case
    datums = [datum if i == where else written(schema, r) for i, r in enumerate(records)]
    found = decode(schema, datums, native=native)
    others = {
        i: row for i, row in zip(found.good.tolist(), found.frame.to_dicts(), strict=True) if i != where
    }
    assert others.keys() == set(range(len(records))) - {where}
    for i, row in others.items():
        assert same(row, expected(schema, records[i]))
    assert [(i, reason) for i, reason, _ in found.bad] in ([], [(where, "decode")])
    if not found.bad:
        assert is_read(schema, datum)
        alone = decode(schema, [datum], native=not native)
        assert same(alone.frame.to_dicts(), found.frame.to_dicts()[where : where + 1])


@given(batch=batches())
@_SLOW
def test_what_a_column_says_is_written_back_as_it_was_read(batch: tuple[Any, list[Any]]) -> None:
    schema, records = batch
    row = decode(schema, [written(schema, r) for r in records]).frame.to_dicts()[0]
    again = decode(schema, [encode(parse_schema(schema), row)])
    assert again.bad == []
    assert same(again.frame.to_dicts()[0], row)


def _without_nulls(value: Any) -> Any:
    """Members of type null, which Polars leaves out, dropped on both sides."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
