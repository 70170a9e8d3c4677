"""The names of Headrace's own topics (spec section 7). Knows no Kafka."""

from __future__ import annotations


def registry_topic(project: str) -> str:
    """The catalogue of registered definitions; compacted."""
    return f"headrace.{project}.registry"


def dead_letter_topic(project: str) -> str:
    """Events that could not be used."""
    return f"headrace.{project}.dead-letters"


def update_topic(project: str, view: str) -> str:
    """A view's published updates."""
    return f"headrace.{project}.view.{view}"


def changelog_topic(project: str, view: str, version: str) -> str:
    """The changelog of a view's state."""
    return f"headrace.{project}.changelog.{view}.{version}"


def repartition_topic(project: str, view: str, version: str) -> str:
    """Where the rows of a view that is keyed otherwise than its source go to be counted."""
    return f"headrace.{project}.repartition.{view}.{version}"
