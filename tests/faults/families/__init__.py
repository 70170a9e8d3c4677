"""Every fault, a module for each row of the table."""

from __future__ import annotations

from tests.faults.families import broker, graceful, inputs, kill, machine, online, rebalance, s3, zombie
from tests.faults.fault import FAMILIES, Fault

FAULTS: tuple[Fault, ...] = tuple(
    sorted(
        (
            fault
            for module in (kill, zombie, graceful, broker, rebalance, online, s3, inputs, machine)
            for fault in module.FAULTS
        ),
        key=lambda fault: FAMILIES.index(fault.family),
    )
)
"""All variants, in the order of the table's rows."""


def chosen(text: str | None) -> tuple[Fault, ...]:
    """The faults whose `family / name` contains `text`, case and dashes aside; all without one."""
    if not text:
        return FAULTS
    return tuple(fault for fault in FAULTS if _plain(text) in _plain(fault.id))


def _plain(text: str) -> str:
    return text.lower().replace("-", "").replace(" ", "")
