"""Redis URLs are read as redis-py reads them, and their secrets stay inside."""

from __future__ import annotations

import pytest

from headrace.errors import SettingsError
from headrace.online.address import Address, parse_address


@pytest.mark.parametrize(
    ("url", "address", "text"),
    [
        ("redis://", Address(), "localhost:6379"),
        ("redis://h:7000/3", Address("h", 7000, database=3), "h:7000/3"),
        ("redis://me:p%40ss@h", Address("h", username="me", password="p@ss"), "h:6379"),
        ("redis://:pw@h?db=2", Address("h", database=2, password="pw"), "h:6379/2"),
        ("unix:///run/r.sock?db=1", Address(path="/run/r.sock", database=1), "unix:///run/r.sock/1"),
    ],
)
def test_a_url_is_read_and_shown_without_its_password(url: str, address: Address, text: str) -> None:
    parsed = parse_address(url)
    assert parsed == address
    assert str(parsed) == text
    assert "p@ss" not in repr(parsed)


def test_the_handshake_logs_in_and_selects() -> None:
    assert parse_address("redis://me:pw@h/3").handshake == [(b"AUTH", b"me", b"pw"), (b"SELECT", b"3")]
    assert parse_address("redis://:pw@h").handshake == [(b"AUTH", b"pw")]
    assert parse_address("redis://h").handshake == []


def test_tls_is_on_for_rediss_alone() -> None:
    secure = parse_address("rediss://h").tls
    assert secure is not None
    assert secure.check_hostname
    assert parse_address("redis://h").tls is None


@pytest.mark.parametrize("url", ["localhost:6379", "http://h:hush@x", "redis://h:hush", ""])
def test_what_is_no_redis_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"redis\.url: expected redis://, rediss:// or unix://") as e:
        parse_address(url)
    assert "hush" not in str(e.value)


def test_a_certificate_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="TLS files of the URL cannot be read"):
        parse_address("rediss://h?ssl_ca_certs=/nowhere.pem")
