"""A Schema Registry's client: Confluent's API, which Apicurio serves at ``/apis/ccompat/v7``. Knows no Kafka.

Subjects are names such as ``payments-value``; a schema's id is what stands in the 5-byte header of a message. An id
never changes its meaning, so schemas are kept for good once fetched. One client may be shared by threads.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from headrace.avro.schema import AvroSchema, parse_schema
from headrace.errors import HeadraceError, SchemaError, SettingsError, UnavailableError

if TYPE_CHECKING:
    import httpx
    import tenacity

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_TRIES = 4
_HINTS = {
    401: " Check the user and password in registry.url",
    403: " Check the user and password in registry.url",
    404: " Check the path of registry.url (Apicurio's is /apis/ccompat/v7)",
}
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class UnknownSchemaError(HeadraceError, KeyError):
    """The registry has no such id, subject or version. A KeyError, too."""

    def __str__(self) -> str:
        return str(self.args[0])


class IncompatibleSchemaError(SchemaError):
    """The registry refuses a schema as incompatible with the subject's earlier ones; carries its messages."""


@dataclass(frozen=True)
class RegisteredSchema:
    """A subject's version: the schema and the id that messages carry."""

    subject: str
    version: int
    id: int
    schema: AvroSchema


class SchemaRegistry:
    """``SchemaRegistry("http://user:password@host:8081")``, with or without a path; the user and password are sent as
    basic authorisation and never shown.

    Every call raises UnavailableError if the registry does not answer after a few tries with growing pauses
    (connection errors, timeouts, 429 and 5xx), and UnknownSchemaError for what it does not have. `transport` and
    `sleep` are for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        try:
            parsed = urlsplit(url)
            named = bool(parsed.hostname) and (parsed.port is None or parsed.port > 0)
        except (ValueError, TypeError, AttributeError):
            raise SettingsError(
                "registry.url is not a URL; expected http://host:port, with a path if it has one"
            ) from None
        if parsed.scheme not in ("http", "https") or not named:
            raise SettingsError("registry.url must begin with http:// or https:// and name a host")
        self.url = parsed._replace(netloc=parsed.netloc.rpartition("@")[2]).geturl().rstrip("/")
        self._user, self._password = unquote(parsed.username or ""), unquote(parsed.password or "")
        self._timeout = timeout
        self._transport = transport
        self._sleep = sleep or time.sleep
        self._by_id: dict[int, AvroSchema] = {}
        self._lock = threading.Lock()

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx  # with it comes a command line of its own: a tenth of a second for who has no framed events

        return httpx.Client(
            base_url=self.url,
            auth=httpx.BasicAuth(self._user, self._password) if self._user else None,
            timeout=self._timeout,
            transport=self._transport,
            headers={"Accept": f"{_MEDIA_TYPE}, application/json", "Content-Type": _MEDIA_TYPE},
        )

    @cached_property
    def _retry(self) -> tenacity.Retrying:
        import tenacity

        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_exponential(multiplier=0.1, max=2.0) + tenacity.wait_random(0, 0.05),
            retry=tenacity.retry_if_exception_type(_PassingError),
            reraise=True,
            sleep=self._sleep,
        )

    def __repr__(self) -> str:
        return f"SchemaRegistry({self.url!r})"

    def __enter__(self) -> SchemaRegistry:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if "_client" in vars(self):
            self._client.close()

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of an id; asked for once. SchemaError if it is not an Avro record that columns can carry."""
        found = self._by_id.get(schema_id)
        if found is None:
            body = self._call("GET", f"/schemas/ids/{schema_id}", what=f"schema id {schema_id}")
            found = self._parse(body, f"schema id {schema_id}")
            with self._lock:
                self._by_id[schema_id] = found
        return found

    __call__ = by_id

    def latest(self, subject: str) -> RegisteredSchema:
        """The newest version of a subject."""
        return self.version(subject, "latest")

    def version(self, subject: str, version: int | str) -> RegisteredSchema:
        """One version of a subject."""
        where = f"/subjects/{quote(subject, safe='')}/versions/{version}"
        body = self._call("GET", where, what=f"subject `{subject}`, version {version}")
        schema = self._parse(body, f"subject `{subject}`")
        return RegisteredSchema(subject, int(body["version"]), int(body["id"]), schema)

    def register(self, subject: str, schema: AvroSchema | Mapping[str, Any] | str) -> int:
        """Register a schema under a subject (again, if it is there already) and give its id.

        IncompatibleSchemaError if the subject's rule of compatibility refuses it.
        """
        where = f"/subjects/{quote(subject, safe='')}/versions"
        body = self._call("POST", where, {"schema": _text(schema)}, what=f"subject `{subject}`")
        return int(body["id"])

    def compatible(self, subject: str, schema: AvroSchema | Mapping[str, Any] | str) -> bool:
        """Whether a schema may follow the newest version of a subject; True if the subject is new."""
        where = f"/compatibility/subjects/{quote(subject, safe='')}/versions/latest"
        try:
            body = self._call("POST", where, {"schema": _text(schema)}, what=f"subject `{subject}`")
        except UnknownSchemaError:
            return True
        return bool(body["is_compatible"])

    def _parse(self, body: Mapping[str, Any], what: str) -> AvroSchema:
        kind = body.get("schemaType") or "AVRO"
        if kind != "AVRO":
            raise SchemaError(f"{what} is not Avro", expected="a schema of type AVRO", got=str(kind))
        if body.get("references"):
            raise SchemaError(
                f"{what} refers to other subjects", hint="Register it with its types written out"
            )
        try:
            return parse_schema(body["schema"])
        except SchemaError as error:
            raise error.located(definition=what) from None

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str
    ) -> Mapping[str, Any]:
        try:
            answer: httpx.Response = self._retry(self._once, method, path, body)
        except _PassingError as error:
            raise UnavailableError(
                f"the Schema Registry at {self.url} does not answer ({error}; tried {_TRIES} times). "
                "Check registry.url and that it is up"
            ) from None
        if answer.is_success:
            try:
                return dict(answer.json())
            except (ValueError, TypeError):
                raise UnavailableError(
                    f"{self.url} answered, but not as a Schema Registry. "
                    "Check the path of registry.url (Apicurio's is /apis/ccompat/v7)"
                ) from None
        message = _message(answer)
        if answer.status_code == 404 and "error_code" in _json(answer):
            raise UnknownSchemaError(f"the Schema Registry at {self.url} has no {what}: {message}")
        if answer.status_code == 409:
            raise IncompatibleSchemaError(
                f"{what}: the registry refuses the schema as incompatible: {message}"
            )
        if answer.status_code == 422:
            raise SchemaError(f"{what}: the registry refuses the schema: {message}")
        hint = _HINTS.get(answer.status_code, "")
        raise UnavailableError(
            f"the Schema Registry at {self.url} answered {answer.status_code}: {message}.{hint}"
        )

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        import httpx

        try:
            answer = self._client.request(method, path, content=None if body is None else json.dumps(body))
        except httpx.TransportError as error:
            raise _PassingError(type(error).__name__) from None
        if answer.status_code in _PASSING:
            raise _PassingError(f"status {answer.status_code}")
        return answer


class _PassingError(Exception):
    """Worth another try."""


def _text(schema: AvroSchema | Mapping[str, Any] | str) -> str:
    if isinstance(schema, str):
        return schema
    return json.dumps(schema.raw if isinstance(schema, AvroSchema) else schema)


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _message(answer: httpx.Response) -> str:
    body = _json(answer)
    return str(body.get("message") or body.get("title") or answer.text[:200] or answer.reason_phrase)
