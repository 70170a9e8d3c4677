"""Panes: the state of a view, and the one step that moves it. Pure and columnar; state is read by a
callable.
"""

from headrace.panes.core import ViewCore
from headrace.panes.flush import REPUBLISH, Read, Timer, Update, Writes

__all__ = ["REPUBLISH", "Read", "Timer", "Update", "ViewCore", "Writes"]
