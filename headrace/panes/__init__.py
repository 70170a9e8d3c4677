"""Panes: the state of a view, and the one step that moves it. Pure and columnar; state is read by a
callable.
"""

from headrace.panes.compiled import warm
from headrace.panes.core import ViewCore
from headrace.panes.flush import NO_TIMERS, REPUBLISH, Read, Update, Writes, again

__all__ = ["NO_TIMERS", "REPUBLISH", "Read", "Update", "ViewCore", "Writes", "again", "warm"]
