"""Machine code where numba is installed, and what is left of the compiler once it has done its work."""

from __future__ import annotations

import numpy as np

from headrace.native import ENOUGH, Native, put_compiler_away


def total(numbers: np.ndarray) -> int:
    out = 0
    for number in numbers:
        out += number
    return out


def test_a_function_is_compiled_for_calls_that_are_worth_it() -> None:
    native = Native(total, "int64(int64[::1])")
    assert native.worth(ENOUGH - 1) is None
    assert native.at_all(ENOUGH - 1) is total
    compiled = native.worth(ENOUGH)
    assert compiled is not None
    assert compiled(np.arange(5)) == 10


def test_what_is_compiled_goes_on_and_more_can_be_compiled_once_the_compiler_is_away() -> None:
    native, later = Native(total, "int64(int64[::1])"), Native(total, "int64(int32[::1])")
    native.warm()
    assert put_compiler_away() > 0
    assert native.at_all(1)(np.arange(5)) == 10
    later.warm()
    assert later.at_all(1)(np.arange(5, dtype=np.int32)) == 10
