"""Settings: the file, the variables over it, the words about what is wrong, and secrets that stay secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

import headrace as hr
from headrace.configuring import masked, variables
from headrace.settings import EMBEDDED, Settings, load_settings


def load(folder: Path, toml: str = "", env: Mapping[str, str] | None = None) -> Settings:
    config = folder / "config"
    config.mkdir(exist_ok=True)
    (config / "headrace.toml").write_text(toml, "utf-8")
    return load_settings(config, env or {})


def told(folder: Path, toml: str = "", env: Mapping[str, str] | None = None) -> str:
    with pytest.raises(hr.SettingsError) as caught:
        load(folder, toml, env)
    return str(caught.value).replace(str(folder / "config"), "config")


def test_without_a_file_everything_is_embedded_and_below_the_deployment(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "config", {})
    assert (settings.project, settings.clock) == ("headrace", "wall")
    assert settings.kafka.bootstrap == settings.redis.url == EMBEDDED
    assert settings.kafka.embedded
    assert settings.redis.embedded
    assert settings.registry.url is None
    assert settings.history.uri == str(tmp_path / "data" / "history")
    assert settings.state.dir == str(tmp_path / "data" / "state")
    assert (settings.history.every, settings.history.events) == (60_000_000, 500_000)
    assert (settings.state.flush, settings.state.flush_seconds) == (100_000, 0.1)
    assert (settings.state.max_events, settings.state.cache_mb) == (100_000, 96)
    assert settings.home == tmp_path


def test_a_variable_goes_before_the_file(tmp_path: Path) -> None:
    toml = 'project = "shop"\n[kafka]\nbootstrap = "a:9092"\n[redis]\nurl = "redis://b"\nhash_tag = true\n'
    settings = load(
        tmp_path, toml, {"HEADRACE_KAFKA__BOOTSTRAP": "c:9092,d:9092", "HEADRACE_PROJECT": "bank"}
    )
    assert settings.project == "bank"
    assert settings.kafka.bootstrap == "c:9092,d:9092"
    assert settings.redis.url == "redis://b"
    assert settings.redis.hash_tag is True


def test_an_empty_variable_counts_as_not_given(tmp_path: Path) -> None:
    settings = load(tmp_path, '[kafka]\nbootstrap = "a:9092"\n', {"HEADRACE_KAFKA__BOOTSTRAP": ""})
    assert settings.kafka.bootstrap == "a:9092"


def test_variables_of_others_do_not_matter(tmp_path: Path) -> None:
    settings = load(tmp_path, env={"PATH": "/bin", "HEADRACE_FAILPOINT": "after_redis:2"})
    assert settings.failpoint == "after_redis:2"


def test_texts_in_variables_become_their_types(tmp_path: Path) -> None:
    env = {
        "HEADRACE_REDIS__HASH_TAG": "true",
        "HEADRACE_API__PORT": "9000",
        "HEADRACE_API__TOKENS": "admin:one, consumer:two",
        "HEADRACE_STATE__FLUSH": "250ms",
        "HEADRACE_ENGINE__CLOCK": "2013-03-01T00:00:00Z",
        "HEADRACE_ENGINE__PARTITIONS": "12",
    }
    settings = load(tmp_path, env=env)
    assert settings.redis.hash_tag is True
    assert settings.api.port == 9000
    assert [t.get_secret_value() for t in settings.api.tokens] == ["admin:one", "consumer:two"]
    assert settings.state.flush == 250_000
    assert settings.clock == 1_362_096_000_000_000
    assert settings.engine.partitions == 12


def test_addresses_of_others_are_not_made_paths(tmp_path: Path) -> None:
    assert load(tmp_path, '[history]\nuri = "s3://bucket/prefix"\n').history.uri == "s3://bucket/prefix"
    assert load(tmp_path, '[state]\ndir = "/var/state"\n').state.dir == "/var/state"


@pytest.mark.parametrize(
    ("toml", "env", "message"),
    [
        (
            '[kafka]\nbootstap = "a"\n',
            {},
            "config/headrace.toml: [kafka] has no key `bootstap`. Did you mean `bootstrap`?",
        ),
        (
            "[kafak]\na = 1\n",
            {},
            "config/headrace.toml: there is no [kafak]. Did you mean `kafka`?",
        ),
        (
            'bootstrap = "a"\n',
            {},
            "config/headrace.toml: there is no `bootstrap`. Did you mean `bootstrap` in [kafka]?",
        ),
        (
            'kafka = "a:9092"\n',
            {},
            "config/headrace.toml: `kafka` is a section. Write [kafka] and its keys below.",
        ),
        (
            "",
            {"HEADRACE_KAFKA__BOOTSTAP": "a"},
            "HEADRACE_KAFKA__BOOTSTAP: there is no such setting. Did you mean `HEADRACE_KAFKA__BOOTSTRAP`?",
        ),
        (
            "",
            {"HEADRACE_REDIS_URL": "a"},
            "HEADRACE_REDIS_URL: there is no such setting. Did you mean `HEADRACE_REDIS__URL`?",
        ),
        (
            "",
            {"HEADRACE_HOME": "/"},
            "HEADRACE_HOME: there is no such setting. A variable is HEADRACE_SECTION__NAME.",
        ),
        (
            "[api]\nport = 70000\n",
            {},
            "config/headrace.toml: [api] `port`: expected 65535 or less, got 70000",
        ),
        (
            "[engine]\npartitions = 0\n",
            {},
            "config/headrace.toml: [engine] `partitions`: expected 1 or more, got 0",
        ),
        (
            "[kafka]\nbootstrap = 9092\n",
            {},
            "config/headrace.toml: [kafka] `bootstrap`: expected a text",
        ),
        *(
            (
                "",
                {"HEADRACE_KAFKA__BOOTSTRAP": wrong},
                f"HEADRACE_KAFKA__BOOTSTRAP: expected 'embedded' or 'host:port,host:port', got '{wrong}'",
            )
            for wrong in ("broker", "broker:kafka", "broker:0", "a:9092,b", "kafka://a:9092")
        ),
        *(
            (
                "",
                {"HEADRACE_HISTORY__URI": wrong},
                f"HEADRACE_HISTORY__URI: expected a folder or 's3://bucket/prefix', got '{wrong}'",
            )
            for wrong in ("gs://bucket/history", "http://server/history")
        ),
        (
            "[history]\nevery = 60\n",
            {},
            "config/headrace.toml: [history] `every`: a duration is a text such as '60s' or '100ms', not 60",
        ),
        (
            "",
            {"HEADRACE_HISTORY__EVENTS": "many"},
            "HEADRACE_HISTORY__EVENTS: expected a whole number, got 'many'",
        ),
        (
            "",
            {"HEADRACE_ENGINE__CLOCK": "now"},
            "HEADRACE_ENGINE__CLOCK: the clock is 'wall', 'event' or an instant such as "
            "'2013-03-01T00:00:00Z', not 'now'",
        ),
        (
            '[log]\nlevel = "loud"\n',
            {},
            "config/headrace.toml: [log] `level`: expected 'debug', 'info', 'warning' or 'error', got 'loud'",
        ),
        (
            'project = "my shop"\n',
            {},
            "config/headrace.toml: `project`: expected a letter, then at most 62 letters, digits or "
            "underscores, got 'my shop'",
        ),
    ],
)
def test_a_wrong_setting_is_told_with_its_place_and_the_nearest_name(
    tmp_path: Path, toml: str, env: Mapping[str, str], message: str
) -> None:
    assert told(tmp_path, toml, env) == message


def test_every_wrong_setting_is_told_at_once(tmp_path: Path) -> None:
    message = told(tmp_path, "[api]\nport = 'x'\n[redis]\nurls = 'a'\n", {"HEADRACE_LOG__LEVEL": "loud"})
    assert message.splitlines() == [
        "config/headrace.toml: [redis] has no key `urls`. Did you mean `url`?",
        "HEADRACE_LOG__LEVEL: expected 'debug', 'info', 'warning' or 'error', got 'loud'",
        "config/headrace.toml: [api] `port`: expected a whole number, got 'x'",
    ]


def test_a_file_that_is_not_toml_is_told_with_its_line(tmp_path: Path) -> None:
    assert told(tmp_path, "[kafka\n").startswith("config/headrace.toml is not TOML: ")
    assert "line 1" in told(tmp_path, "[kafka\n")


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    env = {
        "HEADRACE_KAFKA__SASL_PASSWORD": "hunter2",
        "HEADRACE_HISTORY__SECRET_KEY": "hunter2",
        "HEADRACE_API__TOKENS": "admin:hunter2",
        "HEADRACE_REDIS__URL": "redis://user:hunter2@cache:6379/0",
        "HEADRACE_REGISTRY__URL": "http://user:hunter2@registry:8081/apis",
    }
    settings = load(tmp_path, env=env)
    assert settings.redis.url == "redis://user:hunter2@cache:6379/0"
    shown = [repr(settings), str(settings), str(settings.shown()), settings.model_dump_json()]
    assert not [text for text in shown if "hunter2" in text]
    assert settings.shown()["redis"]["url"] == "redis://user:***@cache:6379/0"


def test_a_secret_of_the_wrong_form_is_not_printed_either(tmp_path: Path) -> None:
    message = told(tmp_path, "[kafka]\nsasl_password = 31337\n")
    assert "31337" not in message
    assert message.startswith("config/headrace.toml: [kafka] `sasl_password`: expected a text")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://:pw@h:1/0", "redis://:***@h:1/0"),
        ("http://u:pw@[::1]:8081/x?y=1", "http://u:***@[::1]:8081/x?y=1"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("http://user@h", "http://user@h"),
        ("a:9092,b:9092", "a:9092,b:9092"),
    ],
)
def test_the_password_of_an_address_is_masked(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = load(tmp_path)
    with pytest.raises(ValidationError):
        settings.project = "other"  # type: ignore[misc]


SPEC = """
PROJECT KAFKA__BOOTSTRAP KAFKA__SECURITY_PROTOCOL REGISTRY__URL REDIS__URL REDIS__HASH_TAG HISTORY__URI
HISTORY__EVERY HISTORY__EVENTS STATE__DIR STATE__FLUSH STATE__CACHE_MB ENGINE__CLOCK ENGINE__PARTITIONS
ENGINE__STANDBY API__HOST API__PORT API__TOKENS
"""


def test_every_key_of_the_spec_has_its_variable() -> None:
    known = set(variables(Settings))
    assert {f"HEADRACE_{name}" for name in SPEC.split()} <= known
    assert "HEADRACE_HOME" not in known


WITHOUT_USE = {"api.host", "api.port", "api.tokens", "history.allow_http"}
IN_THE_ENVIRONMENT = {"kafka.sasl_password", "history.secret_key"}


@pytest.mark.parametrize("file", ["config/headrace.toml", "headrace/cli/example/headrace.toml"])
def test_the_files_that_ship_name_every_setting(file: str) -> None:
    lines = (Path(__file__).parents[1] / file).read_text("utf-8").splitlines()
    section, named = "", set()
    for line in lines:
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif found := re.match(r"(?:# )?([a-z_]+) = ", line):
            named.add(section + found[1])
    known = {v.removeprefix("HEADRACE_").lower().replace("__", ".") for v in variables(Settings)}
    assert named == known - WITHOUT_USE - IN_THE_ENVIRONMENT
    text = "\n".join(lines)
    secrets = {f"HEADRACE_{name.upper().replace('.', '__')}" for name in IN_THE_ENVIRONMENT}
    assert not [variable for variable in secrets if variable not in text]
