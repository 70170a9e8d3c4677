"""Loading a config folder: what counts, what is shared between files, and what is left behind."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

import headrace as hr
from headrace.avro import AvroSchema, parse_schema
from headrace.definitions import StreamSource, Subject
from headrace.project import Views, version_order
from tests.definitions.cases import GOOD, SCHEMA


def config(folder: Path, files: Mapping[str, str]) -> Path:
    """A config folder of these files, with the payment schema beside them."""
    for name, text in {"schemas/payment.avsc": SCHEMA, **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), "utf-8")
    return folder


def view(name: str, version: int = 1, **more: str) -> str:
    options = "".join(f", {k}={v}" for k, v in more.items())
    return (
        f"hr.FeatureView({name!r}, version={version}, entity=customer, source=payments, "
        f"features={{'n': hr.count(over='1h')}}{options})"
    )


BASE = "import headrace as hr\nfrom features.base import customer, payments\n"


def test_every_kind_of_definition_is_found_by_name(tmp_path: Path) -> None:
    more = """
        import headrace as hr
        from features.base import *
        model = hr.FeatureService("model", features=[spend])
        risk = hr.OnDemandView("risk", inputs=[spend, hr.RequestSource({"limit_eur": hr.Float64})],
                               features={"share": "spend_48h / limit_eur"})
        files = hr.BatchSource("files", path="old/*.parquet", timestamp="at", schema={"at": hr.Timestamp})

        @hr.function(returns=hr.Float64)
        def doubled(x):
            return x * 2
    """
    project = hr.load(config(tmp_path, {"features/base.py": GOOD, "features/more.py": more}))
    assert list(project.entities) == ["customer", "merchant"]
    assert list(project.sources) == ["payments", "files"]
    assert list(project.views) == ["spend"]
    assert list(project.services) == ["model"]
    assert list(project.on_demand) == ["risk"]
    assert list(project.functions) == ["doubled"]
    assert project.plan("spend").feature_types == {"spend_48h": hr.Float64, "last_country": hr.String}


def test_a_definition_shared_by_two_files_is_one_definition(tmp_path: Path) -> None:
    files = {"features/base.py": GOOD, "features/a.py": BASE + f"a = {view('a')}\n", "features/b.py": BASE}
    project = hr.load(config(tmp_path, files))
    assert project.view("a").source is project.source("payments")


def test_files_in_subfolders_and_relative_imports_count(tmp_path: Path) -> None:
    deep = "import headrace as hr\nfrom ..base import customer, payments\n" + f"a = {view('deep')}\n"
    project = hr.load(config(tmp_path, {"features/base.py": GOOD, "features/team/deep.py": deep}))
    assert project.view("deep").place.file == "features/team/deep.py"


def test_files_beside_the_features_can_be_imported(tmp_path: Path) -> None:
    files = {
        "windows_of_ours.py": "DAY = '24h'\n",
        "features/base.py": GOOD,
        "features/a.py": BASE + "from windows_of_ours import DAY\n" + f"a = {view('a', ttl='DAY')}\n",
    }
    assert hr.load(config(tmp_path, files)).view("a").ttl == 86_400_000_000


def test_definitions_inside_a_list_count(tmp_path: Path) -> None:
    text = BASE + "made = [hr.FeatureView(f'v{i}', entity=customer, source=payments,"
    text += " features={'n': hr.count(over=f'{i}h')}) for i in (1, 2)]\n"
    project = hr.load(config(tmp_path, {"features/base.py": GOOD, "features/many.py": text}))
    assert sorted(project.views) == ["spend", "v1", "v2"]


def test_two_versions_of_a_view_live_side_by_side(tmp_path: Path) -> None:
    text = BASE + "".join(f"a{v} = {view('a', v)}\n" for v in (2, 10, 9))
    project = hr.load(config(tmp_path, {"features/base.py": GOOD, "features/a.py": text}))
    assert project.view("a").version == "10"
    assert project.view("a@9").version == project.view("a", 9).version == "9"
    assert sorted(project.views) == ["a", "a@2", "a@9", "spend"]
    assert [v.version for v in project.views.versions("a")] == ["2", "9", "10"]
    assert sorted(project.plans) == ["a@10", "a@2", "a@9", "spend@1"]


def test_versions_are_ordered_by_the_numbers_in_them() -> None:
    assert sorted(["V10", "v2", "1", "V02b"], key=version_order) == ["v2", "V02b", "V10", "1"]


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    project = hr.load(config(tmp_path, {"features/base.py": GOOD}))
    for ask, answer in (
        (lambda: project.view("spent"), "no view `spent`. Did you mean `spend`?"),
        (lambda: project.view("spend@7"), "view `spend` has no version `7`, only 1"),
        (lambda: project.entity("costumer"), "no entity `costumer`. Did you mean `customer`?"),
        (lambda: project.source("x"), "no source `x`. The sources are payments."),
        (lambda: project.service("x"), "no service `x`. There are no services yet."),
    ):
        with pytest.raises(hr.UsageError) as caught:
            ask()
        assert str(caught.value) == answer


def test_nothing_is_kept_between_loads(tmp_path: Path) -> None:
    folder = config(tmp_path, {"features/base.py": GOOD})
    first = hr.load(folder)
    config(tmp_path, {"features/base.py": GOOD.replace('"spend"', '"outlay"')})
    second = hr.load(folder)
    assert list(first.views) == ["spend"]
    assert list(second.views) == ["outlay"]
    assert first.entities["customer"] is not second.entities["customer"]


def test_a_load_leaves_no_trace_in_python(tmp_path: Path) -> None:
    folder = config(tmp_path, {"features/base.py": GOOD, "features/bad.py": "import features.base\n1 / 0\n"})
    path, finders, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    with pytest.raises(hr.ProjectError):
        hr.load(folder)
    assert (sys.path, sys.meta_path) == (path, finders)
    assert not [m for m in set(sys.modules) - modules if m.split(".")[0] == "features"]
    assert not list(folder.rglob("__pycache__"))


def test_a_module_of_the_same_name_elsewhere_is_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = type(sys)("features")
    monkeypatch.setitem(sys.modules, "features", elsewhere)
    hr.load(config(tmp_path, {"features/base.py": GOOD}))
    assert sys.modules["features"] is elsewhere


def test_a_broken_file_does_not_hide_the_mistakes_of_others(tmp_path: Path) -> None:
    files = {
        "features/a.py": "import headrace as hr\nentity = hr.Entity('a', keys={})\n",
        "features/b.py": "import headrace as hr\n\nhr.Nothing\n",
        "features/c.py": "from features.b import thing\n",
        "features/d.py": "this is not Python\n",
    }
    with pytest.raises(hr.ProjectError) as caught:
        hr.load(config(tmp_path, files))
    places = [(e.file, e.line) for e in caught.value.errors]
    assert places == [("features/a.py", 2), ("features/b.py", 3), ("features/d.py", 1)]


def test_files_that_import_each_other_in_a_circle_are_told_what_to_do(tmp_path: Path) -> None:
    files = {
        "features/a.py": "from features.b import y\nx = 1\n",
        "features/b.py": "from features.a import x\ny = 1\n",
    }
    with pytest.raises(hr.ProjectError) as caught:
        hr.load(config(tmp_path, files))
    assert len(caught.value.errors) == 1
    hint = caught.value.errors[0].hint
    assert hint is not None
    assert hint.startswith("Two files import each other: put what both need into a third.")


def test_what_depends_on_a_broken_source_is_not_reported_too(tmp_path: Path) -> None:
    text = f"""
        import headrace as hr
        customer = hr.Entity("customer", keys={{"customer_id": hr.Int64}})
        payments = hr.StreamSource("payments", schema="nowhere.avsc")
        a = {view("a")}
        model = hr.FeatureService("model", features=[a, a["m"]])
    """
    with pytest.raises(hr.ProjectError) as caught:
        hr.load(config(tmp_path, {"features/a.py": text}))
    fields = [(e.definition, e.field) for e in caught.value.errors]
    assert fields == [("StreamSource payments", "schema"), ("FeatureView a", None)]


def test_mistakes_are_told_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    files = {
        "features/b.py": "import headrace as hr\nx = hr.Entity('1', keys={'id': hr.Int64})\n",
        "features/a.py": "import headrace as hr\n\n\ny = hr.Entity('2', keys={'id': hr.Int64})\n",
    }
    with pytest.raises(hr.ProjectError) as caught:
        hr.load(config(tmp_path, files))
    assert [(e.file, e.line) for e in caught.value.errors] == [("features/a.py", 4), ("features/b.py", 2)]


def test_the_schema_of_a_subject_comes_from_the_registry(tmp_path: Path) -> None:
    text = GOOD.replace('"schemas/payment.avsc"', 'hr.subject("payments-value")')
    asked: list[Subject] = []

    def registry(subject: Subject) -> AvroSchema:
        asked.append(subject)
        return parse_schema(SCHEMA)

    project = hr.load(config(tmp_path, {"features/base.py": text}), registry=registry)
    source = project.source("payments")
    assert asked == [Subject("payments-value")]
    assert isinstance(source, StreamSource)
    assert source.framing == "registry"
    assert project.plan("spend").feature_types["spend_48h"] == hr.Float64


def test_a_registry_that_does_not_answer_is_a_located_mistake(tmp_path: Path) -> None:
    text = GOOD.replace('"schemas/payment.avsc"', 'hr.subject("payments-value")')

    def registry(subject: Subject) -> AvroSchema:
        raise hr.UnavailableError("nobody there")

    with pytest.raises(hr.ProjectError) as caught:
        hr.load(config(tmp_path, {"features/base.py": text}), registry=registry)
    (mistake,) = caught.value.errors
    assert (mistake.definition, mistake.field) == ("StreamSource payments", "schema")
    assert "nobody there" in mistake.message


def test_functions_of_one_load_are_unknown_to_the_next(tmp_path: Path) -> None:
    text = """
        import headrace as hr
        from features.base import customer, payments

        @hr.function(returns=hr.Float64)
        def only_here(x):
            return x

        v = hr.FeatureView("v", entity=customer, source=payments, features={"n": "only_here(amount)"})
    """
    folder = config(tmp_path, {"features/base.py": GOOD, "features/v.py": text})
    assert list(hr.load(folder).view("v").functions) == ["only_here"]
    text = BASE + "w = " + view("w").replace("hr.count(over='1h')", "'only_here(amount)'")
    config(tmp_path, {"features/v.py": text})
    with pytest.raises(hr.ProjectError, match="there is no function `only_here`"):
        hr.load(folder)


def test_a_folder_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(hr.UsageError, match="there is no config folder"):
        hr.load(tmp_path / "nowhere")
    with pytest.raises(hr.UsageError, match="has no folder `features`"):
        hr.load(tmp_path)


def test_views_print_what_is_in_them() -> None:
    assert repr(Views([])) == "Views([])"
