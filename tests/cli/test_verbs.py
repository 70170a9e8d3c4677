"""The command line as a person or a program meets it: help, answers, exit codes, no tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace.cli.verbs import app
from tests.definitions.cases import write_config

VERBS = (
    "init",
    "plan",
    "ingest",
    "status",
    "dead-letters",
    "get",
    "views",
    "sources",
    "entities",
    "services",
)


@pytest.fixture
def config(tmp_path: Path) -> str:
    return str(write_config(tmp_path / "config", "service = hr.FeatureService('model', features=[spend])\n"))


def run(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    answer = CliRunner(env={"COLUMNS": "200", **(env or {})}).invoke(app, arguments)
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.stdout, answer.stderr


def test_help_names_every_verb() -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert not [verb for verb in VERBS if verb not in out]


@pytest.mark.parametrize(
    "verb",
    [
        *(
            ["init"],
            ["plan"],
            ["get"],
            ["ingest"],
            ["status"],
            ["dead-letters", "list"],
            ["dead-letters", "show"],
        ),
        *([kind, one] for kind in ("views", "sources", "entities", "services") for one in ("list", "show")),
    ],
    ids=" ".join,
)
def test_the_help_of_every_verb_teaches_with_an_example(verb: list[str]) -> None:
    code, out, _ = run(*verb, "--help")
    assert code == 0
    assert f"headrace {' '.join(verb)}" in out
    assert "--config" in out
    assert "--json" in out


def test_the_version_is_printed() -> None:
    assert run("--version") == (0, "headrace 0.1.0\n", "")


def test_help_loads_neither_data_frames_nor_rich() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from headrace.cli.verbs import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print([m for m in ('polars', 'pyarrow', 'pydantic', 'redis', 'deltalake', 'faust', 'confluent_kafka', 'rich')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_verb_is_a_wrong_call() -> None:
    code, _, err = run("plna")
    assert code == 2
    assert "No such command 'plna'" in err


def test_init_writes_an_example_that_plans(tmp_path: Path) -> None:
    folder = str(tmp_path / "shop")
    code, out, _ = run("init", "--config", folder)
    assert code == 0
    assert "headrace plan --config" in out
    code, out, _ = run("plan", "--config", folder, "--json")
    assert code == 0
    plan = json.loads(out)
    assert [v["name"] for v in plan["views"]] == ["customer_spend", "merchant_health"]
    code, out, _ = run(
        "ingest", "payments", f"{folder}/payments.jsonl", "--dry-run", "--config", folder, "--json"
    )
    assert (code, json.loads(out)["accepted"]) == (0, 3)


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = run("init", "--config", str(tmp_path))
    assert code == 2
    assert "there already and not empty" in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_plan_shows_types_windows_steps_and_topics(config: str) -> None:
    code, out, _ = run("plan", "--config", config, "--json")
    assert code == 0
    (view,) = json.loads(out)["views"]
    assert view["features"]["spend_48h"] == {
        "type": "Float64",
        "function": "sum",
        "value": "sum(amount)",
        "aggregate": "sum(amount) over rolling('2d')",
        "windows": ["rolling('2d')"],
        "steps": ["1h"],
    }
    assert view["features"]["last_country"]["steps"] == [None]
    assert (view["entity"], view["topics"], view["shuffled"]) == ("customer", ["payments"], False)
    assert view["changelog"] == "headrace.headrace.changelog.spend.1"
    assert (view["repartition"], view["updates"]) == (None, None)


def test_plan_names_the_repartition_topic_of_a_shuffled_view(tmp_path: Path) -> None:
    body = "v = hr.FeatureView('v', entity=merchant, source=payments, features={'n': hr.count(over='1h')})\n"
    folder = str(write_config(tmp_path / "config", body))
    code, out, _ = run("plan", "--config", folder, "--json", env={"HEADRACE_PROJECT": "shop"})
    assert code == 0
    told = {v["name"]: v for v in json.loads(out)["views"]}
    assert told["v"]["shuffled"] is True
    assert told["v"]["repartition"] == "headrace.shop.repartition.v.1"


def test_plan_for_people_says_the_same(config: str) -> None:
    code, out, _ = run("plan", "--config", config)
    assert code == 0
    for words in (
        "spend@1",
        "customer (customer_id Int64)",
        "spend_48h",
        "rolling('2d')",
        "1h",
        "no mistakes",
    ):
        assert words in out


def test_plan_tells_every_mistake_and_fails(tmp_path: Path) -> None:
    body = "a = hr.Entity('a', keys={})\nb = hr.StreamSource('b', schema='x.avsc')\n"
    folder = str(write_config(tmp_path / "config", body))
    code, out, err = run("plan", "--config", folder)
    assert (code, out) == (1, "")
    assert "2 mistakes in the definitions" in err
    assert "features/wrong.py:2 Entity a keys" in err
    assert "features/wrong.py:3 StreamSource b schema" in err
    assert "Traceback" not in err


def test_mistakes_are_a_problem_document_for_programs(tmp_path: Path) -> None:
    folder = str(write_config(tmp_path / "config", "a = hr.Entity('a', key={'id': hr.Int64})\n"))
    code, out, err = run("plan", "--config", folder, "--json")
    assert (code, err) == (1, "")
    problem = json.loads(out)
    assert problem["type"] == "urn:headrace:error:project"
    assert problem["errors"] == [
        {
            "file": "features/wrong.py",
            "line": 2,
            "definition": "Entity a",
            "field": "key",
            "message": "Entity has no argument `key`",
            "expected": None,
            "got": None,
            "hint": "Did you mean `keys`?",
        }
    ]


def test_a_config_folder_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    code, _, err = run("plan", "--config", str(tmp_path / "nowhere"))
    assert code == 2
    assert "headrace init" in err


def test_a_wrong_setting_fails_with_its_place(config: str) -> None:
    code, _, err = run("plan", "--config", config, env={"HEADRACE_KAFKA__BOOTSTAP": "a"})
    assert code == 1
    assert "Did you mean `HEADRACE_KAFKA__BOOTSTRAP`?" in err


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("views", ["spend"]),
        ("sources", ["payments"]),
        ("entities", ["customer", "merchant"]),
        ("services", ["model"]),
    ],
)
def test_definitions_are_listed_and_shown(config: str, kind: str, names: list[str]) -> None:
    code, out, _ = run(kind, "list", "--config", config, "--json")
    assert code == 0
    listed = json.loads(out)
    assert [one["name"] for one in listed] == names
    code, out, _ = run(kind, "show", names[0], "--config", config, "--json")
    assert (code, json.loads(out)) == (0, listed[0])
    for verb in (["list"], ["show", names[0]]):
        code, out, _ = run(kind, *verb, "--config", config)
        assert code == 0
        assert names[0] in out


def test_a_name_that_is_not_there_is_answered_with_the_nearest(config: str) -> None:
    code, _, err = run("views", "show", "spent", "--config", config)
    assert code == 2
    assert "no view `spent`. Did you mean `spend`?" in err


def test_get_from_an_embedded_store_says_where_to_look(config: str) -> None:
    code, _, err = run("get", "spend", "42", "--config", config)
    assert code == 2
    assert "HEADRACE_REDIS__URL" in err


def test_get_from_a_store_that_is_down_fails_without_its_password(config: str) -> None:
    env = {"HEADRACE_REDIS__URL": "redis://:hunter2@127.0.0.1:1/0"}
    code, out, err = run("get", "spend", "42", "--config", config, "--json", env=env)
    assert code == 1
    assert json.loads(out)["type"] == "urn:headrace:error:unavailable"
    assert "hunter2" not in out + err


def test_a_key_of_the_wrong_type_is_a_wrong_call(config: str) -> None:
    code, _, err = run(
        "get", "spend", "forty-two", "--config", config, env={"HEADRACE_REDIS__URL": "redis://h"}
    )
    assert code == 2
    assert "`customer_id` is Int64, not 'forty-two'" in err


def test_ingest_tells_what_is_wrong_with_each_line(config: str, tmp_path: Path) -> None:
    good = {
        "payment_id": "p",
        "customer_id": 1,
        "merchant_id": None,
        "amount": 1.5,
        "country": None,
        "status": "settled",
        "tags": [],
        "nothing": None,
        "paid_at": "2026-01-01T00:00:00Z",
    }
    lines = [
        json.dumps(good),
        json.dumps({**good, "amount": "much"}),
        "not json",
        "",
        "[1]",
        json.dumps({**good, "amuont": 1}),
    ]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(lines))
    code, out, _ = run("ingest", "payments", str(file), "--dry-run", "--config", config, "--json")
    told = json.loads(out)
    assert (code, told["accepted"], told["rejected"]) == (1, 1, 4)
    assert [(d["index"], d["field"]) for d in told["diagnostics"]] == [
        (1, "amount"),
        (2, None),
        (3, None),
        (4, "amuont"),
    ]
    assert told["diagnostics"][0]["source"] == "payments"
    assert "much" in told["diagnostics"][0]["reason"]
    code, out, _ = run("ingest", "payments", str(file), "--dry-run", "--config", config)
    assert code == 1
    assert "1 would be accepted, 4 rejected" in out


def test_bytes_on_standard_input_that_are_no_text_are_one_rejected_line(config: str) -> None:
    given = b'\xef\xbb\xbf{"payment_id": "p"}\n\xff\xfe\n{}\n'
    answer = CliRunner().invoke(
        app, ["ingest", "payments", "--dry-run", "--config", config, "--json"], input=given
    )
    reasons = [d["reason"] for d in json.loads(answer.stdout)["diagnostics"]]
    assert (answer.exit_code, len(reasons)) == (1, 3)
    assert reasons[0].startswith("expected a value")
    assert reasons[1] == "the line is not UTF-8: invalid start byte at byte 0"


def test_an_unknown_reason_of_dead_letters_is_a_wrong_call(config: str) -> None:
    env = {"HEADRACE_KAFKA__BOOTSTRAP": "127.0.0.1:1"}
    code, _, err = run("dead-letters", "list", "--reason", "schema_unknwn", "--config", config, env=env)
    assert code == 2
    assert "there is no reason `schema_unknwn`. Did you mean `schema_unknown`?" in err


def test_without_jobs_the_list_says_so(config: str) -> None:
    assert run("jobs", "list", "--config", config)[:2] == (0, "There are no jobs yet.\n")


def test_help_flows_with_the_width_of_the_terminal() -> None:
    lines = run("worker", "--help")[1].splitlines()
    assert [line for line in lines if "before it ends, within a minute; a second one ends at once." in line]


def test_ingest_into_an_embedded_broker_says_where_to_send(config: str) -> None:
    code, _, err = run("ingest", "payments", "--config", config)
    assert code == 2
    assert "HEADRACE_KAFKA__BOOTSTRAP" in err


def test_ingest_of_an_unknown_source_or_file_is_a_wrong_call(config: str) -> None:
    assert run("ingest", "payment", "--dry-run", "--config", config)[0] == 2
    code, _, err = run("ingest", "payments", "nowhere.jsonl", "--dry-run", "--config", config)
    assert code == 2
    assert "`nowhere.jsonl` cannot be read: No such file or directory" in err


def test_without_the_service_its_verbs_say_so(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['app'] = None\n"  # as where only the wheel is installed
        "from typer.testing import CliRunner; from headrace.cli.verbs import app\n"
        "answer = CliRunner().invoke(app, ['worker', '--for', '10s'])\n"
        "print(answer.exit_code, ' '.join(answer.stderr.replace('│', ' ').split()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.startswith("2 ")
    assert "`headrace worker` is part of the service, and only the library is installed here." in done.stdout


def test_help_shows_what_is_bold_as_text_where_there_is_no_terminal() -> None:
    out = run("status", "--help")[1]
    assert "Example: headrace status --json | jq '.lag[].lag'" in out
    assert "bold" not in out


def test_the_list_of_verbs_has_each_verbs_whole_first_sentence() -> None:
    told = " ".join(run("-h")[1].split())
    assert (
        "Compute features: consume the sources' topics, keep windows in state, write values to Redis." in told
    )
