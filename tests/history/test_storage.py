"""Where a table is, and what the store's errors say."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError

from headrace.errors import HeadraceError, SettingsError, StateError, UnavailableError
from headrace.history.storage import as_error, storage_options, table_uri


def test_a_table_has_its_place_under_project_and_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert table_uri("s3://lake/raw/", "shop", "payments") == "s3://lake/raw/shop/sources/payments"
    assert table_uri("history", "shop", "payments") == f"{tmp_path}/history/shop/sources/payments"
    assert table_uri("/data", "shop", "payments") == "/data/shop/sources/payments"


def test_commits_to_s3_are_conditional_and_plain_http_only_where_the_endpoint_says_so() -> None:
    plain = storage_options(
        endpoint="http://127.0.0.1:9000", access_key="k", secret_key="s", region="eu-west-1"
    )
    assert {k: v for k, v in plain.items() if k.lower().startswith("aws")} == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "eu-west-1",
        "aws_conditional_put": "etag",
    }
    assert storage_options(endpoint="https://s3.example")["AWS_ALLOW_HTTP"] == "false"
    assert "AWS_ENDPOINT_URL" not in storage_options()
    assert storage_options(session_token="t")["AWS_SESSION_TOKEN"] == "t"


XML = "404 Not Found ↳ <Error><Code>{}</Code><Message>What it says.</Message><RequestId>X</RequestId></Error>"


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (OSError(XML.format("NoSuchBucket")), SettingsError, "there is no bucket `lake` at the S3 server"),
        (
            OSError(XML.format("SignatureDoesNotMatch")),
            SettingsError,
            "refuses the credentials (SignatureDoesNotMatch: What",
        ),
        (
            OSError("Generic S3 error: tcp connect error"),
            UnavailableError,
            "does not answer: Generic S3 error",
        ),
        (DeltaError("Failed: error sending request"), UnavailableError, "does not answer"),
        (PermissionError(13, "Permission denied"), SettingsError, "may not be written"),
        (DeltaError("Generic error: a table of another protocol"), StateError, "a table of another protocol"),
    ],
)
def test_an_error_of_the_store_says_what_to_do(
    raised: Exception, kind: type[HeadraceError], text: str
) -> None:
    error = as_error("s3://lake/raw", raised)
    assert type(error) is kind
    assert text in str(error)
    assert "RequestId" not in str(error)
