"""The Schema Registry's client against a registry of a few lines, over httpx's own test transport."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from headrace.avro import parse_schema
from headrace.errors import SchemaError, SettingsError, UnavailableError
from headrace.registry import IncompatibleSchemaError, SchemaRegistry, UnknownSchemaError

SCHEMA = {"type": "record", "name": "Payment", "fields": [{"name": "amount", "type": "double"}]}


class Registry:
    """Answers as a registry does; `seen` are the requests, `faults` are statuses to answer with first."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.schemas: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.seen: list[httpx.Request] = []
        self.faults: list[int | type[Exception]] = []
        self.pauses: list[float] = []
        self.refuses = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, int):
                return httpx.Response(fault, text="out of order")
            raise fault("refused")
        assert request.url.path.startswith(self.path)
        route = request.url.raw_path.decode().removeprefix(self.path).strip("/").split("/")
        match request.method, route:
            case "GET", ["schemas", "ids", number]:
                found = self.schemas.get(int(number))
                return _missing(40403) if found is None else httpx.Response(200, json={"schema": found})
            case "GET", ["subjects", subject, "versions", "latest"]:
                ids = self.subjects.get(subject)
                if not ids:
                    return _missing(40401)
                body = {
                    "subject": subject,
                    "version": len(ids),
                    "id": ids[-1],
                    "schema": self.schemas[ids[-1]],
                }
                return httpx.Response(200, json=body)
            case "POST", ["subjects", subject, "versions"]:
                if self.refuses:
                    return httpx.Response(409, json={"error_code": 409, "message": "READER_FIELD_MISSING"})
                new = len(self.schemas) + 1
                self.schemas[new] = json.loads(request.content)["schema"]
                self.subjects.setdefault(subject, []).append(new)
                return httpx.Response(200, json={"id": new})
            case "POST", ["compatibility", "subjects", subject, "versions", "latest"]:
                known = subject in self.subjects
                return (
                    httpx.Response(200, json={"is_compatible": not self.refuses})
                    if known
                    else _missing(40401)
                )
        return httpx.Response(400, text="no such route")

    def client(self, url: str = "http://registry:8081") -> SchemaRegistry:
        return SchemaRegistry(url, transport=httpx.MockTransport(self), sleep=self.pauses.append)


def _missing(code: int) -> httpx.Response:
    return httpx.Response(404, json={"error_code": code, "message": "not found"})


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_a_registered_schema_is_found_by_its_id_and_by_its_subject(registry: Registry) -> None:
    client = registry.client()
    number = client.register("payments-value", SCHEMA)
    assert number == 1
    assert client.by_id(number) == parse_schema(SCHEMA)
    latest = client.latest("payments-value")
    assert (latest.subject, latest.version, latest.id) == ("payments-value", 1, 1)
    assert latest.schema.raw == SCHEMA


def test_a_schema_id_is_asked_for_once(registry: Registry) -> None:
    client = registry.client()
    client.register("s", SCHEMA)
    before = len(registry.seen)
    assert client.by_id(1) is client(1)
    assert len(registry.seen) == before + 1


def test_a_subject_may_have_any_characters(registry: Registry) -> None:
    client = registry.client()
    client.register("shop/pay ments", SCHEMA)
    assert list(registry.subjects) == ["shop%2Fpay%20ments"]


def test_a_base_url_may_have_a_path() -> None:
    registry = Registry("/apis/ccompat/v7")
    client = registry.client("http://registry:8080/apis/ccompat/v7/")
    assert client.register("s", SCHEMA) == 1
    assert registry.seen[0].url.path == "/apis/ccompat/v7/subjects/s/versions"


@pytest.mark.parametrize("ask", [lambda c: c.by_id(7), lambda c: c.latest("nobody")])
def test_what_the_registry_lacks_is_a_key_error(
    registry: Registry, ask: Callable[[SchemaRegistry], object]
) -> None:
    with pytest.raises(UnknownSchemaError, match=r"http://registry:8081 has no .*: not found") as caught:
        ask(registry.client())
    assert isinstance(caught.value, KeyError)
    assert len(registry.seen) == 1


@pytest.mark.parametrize("fault", [503, 429, httpx.ConnectError, httpx.ReadTimeout])
def test_a_passing_fault_is_tried_again_after_a_growing_pause(registry: Registry, fault: int) -> None:
    registry.faults = [fault, fault]
    assert registry.client().register("s", SCHEMA) == 1
    assert len(registry.seen) == 3
    assert len(registry.pauses) == 2
    assert registry.pauses[0] < registry.pauses[1]


def test_a_registry_that_stays_away_is_unavailable_and_may_come_back(registry: Registry) -> None:
    client = registry.client()
    registry.faults = [httpx.ConnectError] * 4
    with pytest.raises(
        UnavailableError, match=r"http://registry:8081 does not answer \(ConnectError; tried 4 times\)"
    ):
        client.by_id(1)
    registry.schemas[1] = json.dumps(SCHEMA)
    assert client.by_id(1) == parse_schema(SCHEMA)


def test_user_and_password_are_sent_and_never_shown(registry: Registry) -> None:
    client = registry.client("http://alice:s3cret@registry:8081")
    registry.faults = [401]
    with pytest.raises(UnavailableError, match="401") as caught:
        client.by_id(1)
    assert registry.seen[0].headers["Authorization"] == "Basic YWxpY2U6czNjcmV0"
    for text in (repr(client), client.url, str(caught.value)):
        assert "s3cret" not in text
        assert "alice" not in text


def test_an_incompatible_schema_is_refused_with_the_registrys_words(registry: Registry) -> None:
    client = registry.client()
    client.register("s", SCHEMA)
    registry.refuses = True
    assert not client.compatible("s", SCHEMA)
    with pytest.raises(IncompatibleSchemaError, match="READER_FIELD_MISSING"):
        client.register("s", SCHEMA)


def test_a_new_subject_is_compatible_with_anything(registry: Registry) -> None:
    assert registry.client().compatible("new", SCHEMA)


def test_a_schema_of_another_kind_is_a_schema_error() -> None:
    answer = httpx.Response(200, json={"schema": "{}", "schemaType": "PROTOBUF"})
    client = SchemaRegistry("http://r", transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(SchemaError, match=r"schema id 3 is not Avro.*got PROTOBUF"):
        client.by_id(3)


def test_a_path_that_is_wrong_is_not_taken_for_an_unknown_schema() -> None:
    answer = httpx.Response(404, text="no such page")
    client = SchemaRegistry("http://r", transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(UnavailableError, match=r"answered 404: no such page\. Check the path"):
        client.by_id(3)


def test_an_answer_that_is_no_registrys_says_to_check_the_path() -> None:
    client = SchemaRegistry(
        "http://r", transport=httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    )
    with pytest.raises(UnavailableError, match="Apicurio's is /apis/ccompat/v7"):
        client.by_id(3)


@pytest.mark.parametrize("url", ["registry:8081", "ftp://registry", "http://", "http://host:port", ""])
def test_what_is_no_url_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match=r"registry\.url"):
        SchemaRegistry(url)
