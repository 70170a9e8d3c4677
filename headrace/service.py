"""The way from the library to the service beside it: what produces, consumes and runs processes lives in `app`.

The wheel ships this library alone. Where the service is not there, the caller gets one clear sentence. It is found
by name at run time, so that nothing here depends on it.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from headrace.errors import UsageError


def service(module: str, wanted: str) -> ModuleType:
    """A module of the service, such as ``app.commands``; `wanted` says what for. UsageError if it is not there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing == "app" or missing == module:
            raise UsageError(
                f"{wanted} needs the Headrace service, and only the library is installed here. Run it from a "
                "checkout of the repository (`make setup`) or from the service's image."
            ) from None
        raise UsageError(
            f"{wanted} needs the package `{missing}`, which is not installed. "
            "`pip install 'headrace[service]'` brings what the service needs."
        ) from None
