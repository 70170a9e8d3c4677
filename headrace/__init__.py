"""Headrace: Avro events on Kafka in, fresh features in Redis, exact history in Delta Lake out.

    import headrace as hr

This page is the public surface: what is named here (and `headrace.testing`) is what users may rely on. Every
name is fetched when it is first used, so that `import headrace` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace import testing as testing
    from headrace.aggregates.declare import Aggregate as Aggregate
    from headrace.aggregates.declare import all as all
    from headrace.aggregates.declare import any as any
    from headrace.aggregates.declare import avg as avg
    from headrace.aggregates.declare import count as count
    from headrace.aggregates.declare import count_distinct as count_distinct
    from headrace.aggregates.declare import count_if as count_if
    from headrace.aggregates.declare import decayed_sum as decayed_sum
    from headrace.aggregates.declare import first as first
    from headrace.aggregates.declare import first_n as first_n
    from headrace.aggregates.declare import last_n as last_n
    from headrace.aggregates.declare import latest as latest
    from headrace.aggregates.declare import max as max
    from headrace.aggregates.declare import median as median
    from headrace.aggregates.declare import min as min
    from headrace.aggregates.declare import quantile as quantile
    from headrace.aggregates.declare import ratio as ratio
    from headrace.aggregates.declare import stddev as stddev
    from headrace.aggregates.declare import sum as sum
    from headrace.aggregates.declare import top_k as top_k
    from headrace.aggregates.declare import variance as variance
    from headrace.client import FeatureStore as FeatureStore
    from headrace.definitions import BatchSource as BatchSource
    from headrace.definitions import Entity as Entity
    from headrace.definitions import FeatureService as FeatureService
    from headrace.definitions import FeatureView as FeatureView
    from headrace.definitions import OnDemandView as OnDemandView
    from headrace.definitions import RequestSource as RequestSource
    from headrace.definitions import StreamSource as StreamSource
    from headrace.definitions import function as function
    from headrace.definitions import hopping as hopping
    from headrace.definitions import lifetime as lifetime
    from headrace.definitions import rolling as rolling
    from headrace.definitions import session as session
    from headrace.definitions import subject as subject
    from headrace.definitions import transform as transform
    from headrace.definitions import tumbling as tumbling
    from headrace.errors import DecodeError as DecodeError
    from headrace.errors import DefinitionError as DefinitionError
    from headrace.errors import ExpressionError as ExpressionError
    from headrace.errors import HeadraceError as HeadraceError
    from headrace.errors import ProjectError as ProjectError
    from headrace.errors import SchemaError as SchemaError
    from headrace.errors import SettingsError as SettingsError
    from headrace.errors import StateError as StateError
    from headrace.errors import UnavailableError as UnavailableError
    from headrace.errors import UsageError as UsageError
    from headrace.loading import Project as Project
    from headrace.loading import load as load
    from headrace.settings import Settings as Settings
    from headrace.settings import load_settings as load_settings
    from headrace.types import Bool as Bool
    from headrace.types import Bytes as Bytes
    from headrace.types import Date as Date
    from headrace.types import Decimal as Decimal
    from headrace.types import Float32 as Float32
    from headrace.types import Float64 as Float64
    from headrace.types import Int32 as Int32
    from headrace.types import Int64 as Int64
    from headrace.types import List as List
    from headrace.types import Map as Map
    from headrace.types import String as String
    from headrace.types import Struct as Struct
    from headrace.types import Timestamp as Timestamp

__version__ = "0.1.0"

_HOMES = {
    "headrace.aggregates.declare": (
        "Aggregate all any avg count count_distinct count_if decayed_sum first first_n last_n latest max "
        "median min quantile ratio stddev sum top_k variance"
    ),
    "headrace.client": "FeatureStore",
    "headrace.definitions": (
        "BatchSource Entity FeatureService FeatureView OnDemandView RequestSource StreamSource function "
        "hopping lifetime rolling session subject transform tumbling"
    ),
    "headrace.errors": (
        "DecodeError DefinitionError ExpressionError HeadraceError ProjectError SchemaError SettingsError "
        "StateError UnavailableError UsageError"
    ),
    "headrace.loading": "Project load",
    "headrace.settings": "Settings load_settings",
    "headrace.types": (
        "Bool Bytes Date Decimal Float32 Float64 Int32 Int64 List Map String Struct Timestamp"
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = ["__version__", "testing", *_HOME_OF]


def __getattr__(name: str) -> object:
    if name == "testing":
        return importlib.import_module("headrace.testing")
    home = _HOME_OF.get(name)
    if home is None:
        from headrace.errors import did_you_mean

        hint = did_you_mean(name, _HOME_OF)
        raise AttributeError(f"module 'headrace' has no attribute {name!r}" + (f". {hint}" if hint else ""))
    if home == "headrace.definitions":
        importlib.import_module("headrace.checking")  # so that views are compiled when they are declared
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
