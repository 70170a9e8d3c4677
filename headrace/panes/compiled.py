"""The compiled passes of the step, all of them: loaded, or once per installation compiled, at a start."""

from __future__ import annotations

from headrace.panes.fold_kernel import FOLD
from headrace.panes.grouping_kernel import PLACE
from headrace.panes.reading_kernel import WINDOW
from headrace.panes.records_kernel import GATHER, SCATTER
from headrace.panes.runs_kernel import MARKS, MERGE

KERNELS = (FOLD, GATHER, MARKS, MERGE, PLACE, SCATTER, WINDOW)


def warm() -> None:
    """Load or compile the machine code now, where numba is installed, rather than with the first large flush."""
    for kernel in KERNELS:
        kernel.warm()
