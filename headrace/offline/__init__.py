"""Offline values: point-in-time features from frames of events, apart from the panes."""
