"""The front of the S3 server fails as it is told, and is not noticed otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.stack.front import S3Front, Verdict
from tests.stack.s3 import S3, client, create_bucket

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    started = S3(tmp_path_factory.mktemp("s3"))
    started.start()
    create_bucket(started.url, "lake")
    yield started
    started.stop()


def stored(server: S3) -> dict[str, int]:
    """Name and size of each object, asked of the server itself."""
    asking = client(server.url)
    try:
        return {o["Key"]: o["Size"] for o in asking.list_objects_v2(Bucket="lake").get("Contents", [])}
    finally:
        asking.close()


def put(through: Any, name: str) -> bool:
    """Whether an upload succeeds."""
    try:
        through.put_object(Bucket="lake", Key=name, Body=b"x" * 50_000)
    except (ClientError, BotoCoreError):
        return False
    return True


@pytest.mark.parametrize(
    ("verdict", "arrives"), [("pass", True), ("refuse", False), ("cut", False), ("lose", True)]
)
def test_a_request_fares_as_its_verdict_says(server: S3, verdict: Verdict, arrives: bool) -> None:
    with S3Front(server.port) as front:
        through = client(front.url)
        front.fail(lambda method, path: verdict if method == "PUT" else "pass")
        assert put(through, verdict) == (verdict == "pass")
        assert front.counts[verdict] > 0
        assert (stored(server).get(verdict) == 50_000) == arrives
        front.heal()
        assert put(through, verdict)
        assert through.get_object(Bucket="lake", Key=verdict)["Body"].read() == b"x" * 50_000
        through.close()


def test_a_request_that_hangs_is_cut_when_all_is_well_again(server: S3) -> None:
    with S3Front(server.port) as front:
        through = client(front.url)

        def once(method: str, path: str) -> Verdict:
            front.rule = lambda method, path: "pass"
            front._healed.set()
            return "hang"

        front.fail(once)
        assert put(through, "hung")  # by the client's own second try
        assert (front.counts["hang"], front.counts["pass"]) == (1, 1)
        through.close()
