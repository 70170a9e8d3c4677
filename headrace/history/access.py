"""The settings of history as delta-rs takes them."""

from __future__ import annotations

from headrace.history.storage import storage_options
from headrace.settings import Settings


def options_of(settings: Settings) -> dict[str, str]:
    """What delta-rs, and Polars with it, are told of the store; nothing for a local folder."""
    h = settings.history
    if not h.uri.startswith("s3://"):
        return {}
    return storage_options(
        endpoint=h.endpoint,
        access_key=h.access_key,
        secret_key=h.secret_key.get_secret_value() if h.secret_key else None,
        region=h.region,
    )
