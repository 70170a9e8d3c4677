"""Settings: `config/headrace.toml`, each overridable by ``HEADRACE_SECTION__NAME``.

This module alone reads the environment. Owns the names, types and defaults of spec section 11. A secret is never
printed, nor is a password inside an address. How what was given becomes these settings, or a mistake that teaches,
is `headrace.configuring`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr

from headrace.configuring import Given, given_in, masked, validated
from headrace.durations import SECOND, parse_duration, parse_instant

EMBEDDED = "embedded"
"""In place of an address: that part is started inside."""


class Address(str):
    """An address that hides its password when settings are printed; as a str it is the full text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(masked(self))


def _address(value: object) -> Address:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return Address(value)


def _servers(value: object) -> Address:
    address = _address(value)
    if address != EMBEDDED:
        for server in address.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536 or "/" in host:
                raise ValueError(f"expected 'embedded' or 'host:port,host:port', got {str(address)!r}")
    return address


def _store(value: object) -> object:
    scheme, separator, _ = str(value).partition("://")
    if separator and scheme != "s3":
        raise ValueError(f"expected a folder or 's3://bucket/prefix', got {value!r}")
    return value


def _micros(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str):
        raise ValueError(f"a duration is a text such as '60s' or '100ms', not {value!r}")
    us = parse_duration(value)
    if us == 0:
        raise ValueError("a duration above zero is needed")
    return us


def _clock(value: object) -> str | int:
    if isinstance(value, str) and value in ("wall", "event"):
        return value
    try:
        return parse_instant(value)  # type: ignore[arg-type]  # refuses what is no text
    except ValueError:
        raise ValueError(
            f"the clock is 'wall', 'event' or an instant such as '2013-03-01T00:00:00Z', not {value!r}"
        ) from None


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Micros = Annotated[int, BeforeValidator(_micros)]
"""A duration, in microseconds."""
Located = Annotated[Address, BeforeValidator(_address), PlainSerializer(masked, when_used="json")]
Servers = Annotated[Address, BeforeValidator(_servers), PlainSerializer(masked, when_used="json")]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A section of the file: frozen, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class KafkaSettings(Section):
    """Where Kafka is, and who we are to it. `instance` names this worker for static membership."""

    bootstrap: Servers = Address(EMBEDDED)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    instance: str | None = None

    @property
    def embedded(self) -> bool:
        """Whether the broker is to be started inside."""
        return self.bootstrap == EMBEDDED


class RegistrySettings(Section):
    """The Schema Registry; None: there is none."""

    url: Located | None = None


class RedisSettings(Section):
    """The online store. `hash_tag` keeps an entity's views together on a Redis Cluster."""

    url: Located = Address(EMBEDDED)
    hash_tag: bool = False

    @property
    def embedded(self) -> bool:
        """Whether Redis is to be started inside."""
        return self.url == EMBEDDED


class HistorySettings(Section):
    """Where history is: a folder or an ``s3://`` address; a commit `every` (us) or at so many `events`."""

    uri: Annotated[str, BeforeValidator(_store)] = "data/history"
    every: Micros = 60 * SECOND
    events: Count = 500_000
    endpoint: Located | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    allow_http: bool = False


class StateSettings(Section):
    """State on the local disk. A flush every `flush` (us) or at `max_events`; `cache_mb` (MB) for hot entities."""

    dir: str = "data/state"
    flush: Micros = 100_000
    max_events: Count = 100_000
    cache_mb: Count = 96

    @property
    def flush_seconds(self) -> float:
        """`flush` in seconds."""
        return self.flush / SECOND


class EngineSettings(Section):
    """`clock`: "wall", "event", or a fixed instant in microseconds. `partitions` of repartition topics.

    `threads` that columns are computed with. One is best for small flushes and for a worker on a core of its own:
    a flush is hundreds of small column operations, and handing each to other threads costs more than it saves.
    """

    clock: Annotated[Literal["wall", "event"] | int, BeforeValidator(_clock)] = "wall"
    partitions: Count | None = None
    standby: Annotated[int, Field(ge=0)] = 0
    threads: Count = 1


class LogSettings(Section):
    """What is logged, and as `text` or as `json` lines."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ApiSettings(Section):
    """Where the REST API listens, and its tokens, each ``role:token``."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tokens: Annotated[tuple[SecretStr, ...], BeforeValidator(_listed)] = ()


class MetricsSettings(Section):
    """Where Prometheus reads; None: nowhere, 0: a free port."""

    host: str = "127.0.0.1"
    port: Port | None = None


class Settings(Section):
    """All settings, frozen. `project` is the namespace of keys and topics; `home` is the folder that holds config/,
    to which relative paths belong. `failpoint` is for tests of crashes, from the environment alone.
    """

    project: Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]{0,62}$")] = "headrace"
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    redis: RedisSettings = RedisSettings()
    history: HistorySettings = HistorySettings()
    state: StateSettings = StateSettings()
    engine: EngineSettings = EngineSettings()
    log: LogSettings = LogSettings()
    api: ApiSettings = ApiSettings()
    metrics: MetricsSettings = MetricsSettings()
    home: Path = Field(default=Path("."), exclude=True)
    failpoint: str | None = Field(default=None, exclude=True)

    @property
    def clock(self) -> Literal["wall", "event"] | int:
        """`engine.clock`."""
        return self.engine.clock

    def shown(self) -> dict[str, Any]:
        """Everything as plain values, secrets and passwords as stars."""
        return self.model_dump(mode="json")


def load_settings(config: str | Path = "config", env: Mapping[str, str] | None = None) -> Settings:
    """The settings of a config folder: its headrace.toml, if there is one, and then the environment.

    A relative path in them belongs to the folder that holds `config`, whatever the working directory; the paths
    returned are absolute. An empty variable counts as not given. Raises SettingsError with every mistake: an
    unknown key, with the nearest known one and where it stands, or a value of the wrong form.
    """
    env = os.environ if env is None else env
    folder = Path(config).resolve()
    given: Given = given_in(folder, Path(config), env, Settings)
    settings = validated(Settings, given)
    home = folder.parent
    return settings.model_copy(
        update={
            "home": home,
            "failpoint": env.get("HEADRACE_FAILPOINT") or None,
            "state": settings.state.model_copy(update={"dir": str(home / settings.state.dir)}),
            "history": settings.history.model_copy(update={"uri": _under(home, settings.history.uri)}),
        }
    )


def _under(home: Path, uri: str) -> str:
    return uri if "://" in uri else str(home / uri)
