"""Memory that is kept while a training set is made."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import numpy as np
import pytest

from headrace.heap import kept

PAGES = 2_000_000 // resource.getpagesize()

LARGE = """
import resource
import numpy as np
from headrace.heap import keep

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(400_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep(largest=1 << 20)
faults()
anew = faults()
keep()
faults()
print(faults(), anew)
"""


def _faults(times: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones(250_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has another heap")


@glibc
def test_freed_arrays_are_used_again_and_given_back_at_the_end() -> None:
    with kept():
        _faults(1)
        assert _faults(20) < PAGES
    assert _faults(1) > PAGES // 2


@glibc
def test_no_heap_grows_for_an_array_that_is_larger_than_was_asked_for() -> None:
    told = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    again, anew = map(int, told.stdout.split())
    assert again < PAGES < anew
