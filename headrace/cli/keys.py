"""Entities as they are typed on a command line: `42`, `UA|LAX`, `carrier=UA dest=LAX`."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal as PyDecimal
from decimal import InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import unquote

from headrace.errors import UsageError, did_you_mean
from headrace.types import Bool, Bytes, DataType, Decimal, Int32, Int64

if TYPE_CHECKING:
    from headrace.definitions import FeatureView


def entities_of(view: FeatureView, given: Sequence[str]) -> list[dict[str, object]]:
    """The entities of a view that were typed, in order.

    One key: the text itself. Several: their texts in key order joined by ``|`` (percent-encoded as in Redis), or
    ``name=value`` pairs, as arguments of their own or joined by commas. UsageError for anything else.
    """
    keys = view.entity.keys
    pairs = re.compile(rf"({'|'.join(map(re.escape, keys))})=", re.IGNORECASE)
    if all(pairs.match(text) for text in given):
        return _named(view, given, pairs)
    return [dict(zip(keys, _joined(view, text), strict=True)) for text in given]


def _joined(view: FeatureView, text: str) -> list[object]:
    keys = view.entity.keys
    if len(keys) == 1:
        return [typed(text, t, name) for name, t in keys.items()]
    parts = text.split("|")
    if len(parts) != len(keys):
        example = " ".join(f"{name}=..." for name in keys)
        raise UsageError(
            f"the entity `{view.entity.name}` has the keys {', '.join(keys)}: write '{'|'.join(keys)}' or "
            f"{example}, not {text!r}{_near(text, keys)}"
        )
    return [typed(unquote(part), t, name) for part, (name, t) in zip(parts, keys.items(), strict=True)]


def _near(text: str, keys: Mapping[str, DataType]) -> str:
    hint = did_you_mean(text.split("=")[0], keys) if "=" in text else None
    return f". {hint}" if hint else ""


def _named(view: FeatureView, given: Sequence[str], pairs: re.Pattern[str]) -> list[dict[str, object]]:
    keys = view.entity.keys
    spelt = {k.lower(): k for k in keys}
    found: list[dict[str, object]] = []
    current: dict[str, object] = {}
    for text in given:
        starts = [m for m in pairs.finditer(text) if m.start() == 0 or text[m.start() - 1] == ","]
        for match, after in zip(starts, [*starts[1:], None], strict=True):
            end = len(text) if after is None else after.start() - 1
            name = spelt[match.group(1).lower()]
            if name in current:
                missing = ", ".join(k for k in keys if k not in current)
                raise UsageError(f"`{name}` is given again before {missing} of the same entity")
            current[name] = typed(text[match.end() : end], keys[name], name)
            if len(current) == len(keys):
                found.append({k: current[k] for k in keys})
                current = {}
    if current:
        missing = ", ".join(f"{k}=..." for k in keys if k not in current)
        raise UsageError(f"the entity `{view.entity.name}` needs {missing}, too")
    return found


def typed(text: str, type: DataType, name: str) -> object:
    """A key's value from its text. UsageError if it is not of its type."""
    try:
        if type in (Int32, Int64):
            return int(text)
        if type == Bool:
            return {"true": True, "false": False}[text.lower()]
        if type == Bytes:
            return base64.b64decode(text, validate=True)
        if isinstance(type, Decimal):
            return PyDecimal(text)
    except (ValueError, KeyError, InvalidOperation):
        raise UsageError(f"`{name}` is {type}, not {text!r}") from None
    return text
