"""When machine code is loaded, and that nobody waits for it."""

from __future__ import annotations

import sys
import threading

import pytest

from headrace.avro import native
from headrace.avro.native import ENOUGH, Native


def double(n: int) -> int:
    return 2 * n


def made() -> Native:
    return Native(double, "int64(int64)")


def loading() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "load double"]


def test_a_few_records_load_nothing() -> None:
    code = made()
    assert code.worth(ENOUGH - 1) is None
    assert not loading()


def test_many_small_calls_load_it_once_and_none_of_them_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = threading.Lock()
    monkeypatch.setattr(native, "_TURN", turn)
    code = made()
    with turn:  # whatever loads waits here
        assert [code.worth(ENOUGH // 2) for _ in range(4)] == [None] * 4
        (thread,) = loading()
    thread.join()
    compiled = code.worth(1)
    assert compiled is not None
    assert compiled(21) == 42


def test_without_numba_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    code = made()
    code.warm()
    assert code.worth(ENOUGH) is None
