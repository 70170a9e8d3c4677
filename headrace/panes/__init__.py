"""Panes: the state of a view and the one step that moves it. Pure and columnar; reads go through a callable."""
