"""`Entity`: what features describe, by one or more typed join keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.declaring import Definition
from headrace.definitions import rules
from headrace.types import FLOATS, DataType, List, Map, Struct


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Entity(Definition):
    """What a feature describes. `keys` are its join keys with their types, in key order.

    A key is any type that has one text form and is equal to itself: no floats, lists, maps or structs.
    """

    keys: Mapping[str, DataType]

    def __init__(
        self,
        name: str,
        keys: Mapping[str, DataType],
        *,
        description: str = "",
        owner: str = "",
        tags: Mapping[str, str] = {},
    ) -> None:
        m = self._mistakes
        example = "names with types, such as keys={'user_id': hr.Int64}"
        typed = rules.typed_names(keys, m, field="keys", example=example)
        if isinstance(keys, Mapping) and not keys:
            m.add("an entity without keys", field="keys", expected=example, got="{}")
        for key, t in typed.items():
            if t in FLOATS or isinstance(t, List | Map | Struct):
                m.add(
                    f"a {t} cannot be a join key",
                    field=f"keys.{key}",
                    expected="Int32, Int64, String, Bool, Date, Timestamp, Decimal or Bytes",
                    got=str(t),
                )
        self._set(name=rules.name(name, m, what="an entity's name"), keys=typed)
        self._set(**rules.words(description, owner, tags, m))
