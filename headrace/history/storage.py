"""Where history is: a folder or an S3 prefix, how delta-rs is told, and what its errors mean.

Refuses to make buckets: those belong to the operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deltalake.exceptions import DeltaError

from headrace.errors import HeadraceError, SettingsError, StateError, UnavailableError

Options = Mapping[str, str]
"""What delta-rs calls storage options."""

CONNECTING, SILENT, ATTEMPTS, RETRYING = 5, 30, 4, 15
"""Seconds for a connection; seconds that a request may take; tries; seconds after which none is begun."""

_REFUSED = (
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "AccessDenied",
    "necessary privileges",
    "403 Forbidden",
)
_NO_BUCKET = ("NoSuchBucket", "InvalidBucketName")
_NO_FOLDER = ("Permission denied", "Could not create local directory", "Read-only file system")
_NO_ROOM = ("No space left on device", "File too large", "Disk quota exceeded")
_NO_ANSWER = ("Generic S3 error", "error performing", "error sending request", "timed out", "connection")


def table_uri(history_uri: str, project: str, source: str) -> str:
    """``{history_uri}/{project}/sources/{source}``; a local path is made absolute."""
    return f"{_absolute(history_uri)}/{project}/sources/{source}"


def view_uri(history_uri: str, project: str, view: str) -> str:
    """``{history_uri}/{project}/views/{view}``, of a view's ``name@version``."""
    return f"{_absolute(history_uri)}/{project}/views/{view}"


def _absolute(uri: str) -> str:
    if re.match(r"[a-z][a-z0-9+.-]*://", uri):
        return uri.rstrip("/")
    return str(Path(uri).expanduser().resolve())


def storage_options(
    *,
    endpoint: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
    region: str | None = None,
) -> dict[str, str]:
    """What delta-rs, and Polars with it, are told about an S3 server. For a local folder: nothing is needed.

    Commits are conditional PUTs (``If-None-Match``), without which two writers could both believe theirs was
    the next version. A server that cannot be reached is given up within seconds, one that is silent after half a
    minute: who calls retries, and says so. Plain HTTP is allowed where the endpoint says http.
    """
    options = {
        "AWS_REGION": region or "us-east-1",
        "aws_conditional_put": "etag",
        "connect_timeout": f"{CONNECTING}s",
        "timeout": f"{SILENT}s",
        "max_retries": f"{ATTEMPTS}",
        "retry_timeout": f"{RETRYING}s",
    }
    if endpoint is not None:
        options["AWS_ENDPOINT_URL"] = endpoint
        options["AWS_ALLOW_HTTP"] = "true" if endpoint.startswith("http://") else "false"
    if access_key is not None:
        options["AWS_ACCESS_KEY_ID"] = access_key
    if secret_key is not None:
        options["AWS_SECRET_ACCESS_KEY"] = secret_key
    if session_token is not None:
        options["AWS_SESSION_TOKEN"] = session_token
    return options


def as_error(uri: str, exc: Exception) -> HeadraceError:
    """What an exception of delta-rs is to us: a setting to correct, a store to wait for, or a table in the
    way.
    """
    text = re.sub(r"\x1b\[[0-9;]*m|[↳\s]+", " ", str(exc)).strip()
    if any(x in text for x in _NO_BUCKET):
        bucket = uri.split("://", 1)[-1].split("/", 1)[0]
        return SettingsError(
            f"history.uri: there is no bucket `{bucket}` at the S3 server of {uri}. Create it, or correct history.uri"
        )
    if any(x in text for x in _REFUSED):
        return SettingsError(f"history: the S3 server of {uri} refuses the credentials ({_brief(text)})")
    if isinstance(exc, PermissionError) or any(x in text for x in _NO_FOLDER):
        return SettingsError(f"history.uri: {uri} may not be written ({_brief(text)})")
    if any(x in text for x in _NO_ROOM):
        return UnavailableError(f"the disk of {uri} has no room for what is written ({_brief(text)})")
    if isinstance(exc, FileNotFoundError):
        return StateError(f"history at {uri} lacks a file that it names: {_brief(text)}")
    if isinstance(exc, OSError) or any(x.lower() in text.lower() for x in _NO_ANSWER):
        return UnavailableError(
            f"history at {uri} does not answer: {_brief(text)}. What is written stays: begin again once it answers"
        )
    return StateError(f"history at {uri}: {_brief(text)}")


def _brief(text: str) -> str:
    """An error of an S3 server without its XML and the addresses of its requests."""
    code = re.search(r"<Code>(.*?)</Code><Message>(.*?)</Message>", text)
    return f"{code[1]}: {code[2]}" if code else text[:400]


@contextmanager
def named_errors(uri: str) -> Iterator[None]:
    """Raises what `as_error` makes of an exception of delta-rs."""
    try:
        yield
    except (DeltaError, OSError) as exc:
        raise as_error(uri, exc) from exc
