"""The settings of history as delta-rs takes them."""

from __future__ import annotations

from headrace.history.storage import storage_options
from headrace.settings import Settings


def options_of(settings: Settings, uri: str | None = None) -> dict[str, str]:
    """What delta-rs, and Polars with it, are told of the store of history, or of `uri`; nothing for a local folder.

    A project has one S3 server: batch sources may be there though history is on a folder.
    """
    h = settings.history
    if not (h.uri if uri is None else uri).startswith("s3://"):
        return {}
    return storage_options(
        endpoint=h.endpoint,
        access_key=h.access_key,
        secret_key=h.secret_key.get_secret_value() if h.secret_key else None,
        region=h.region,
    )
