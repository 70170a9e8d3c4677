"""`load`: a config folder's definitions as a `Project`, or every mistake in them at once.

Owns the order: run the files, gather what they declare, resolve subjects, check names across files, compile
every view. Starts nothing and keeps nothing between loads; talks to a registry only where a source asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from headrace.avro import AvroSchema
from headrace.checking import check_on_demand, check_view
from headrace.declaring import Definition, Mistakes, Scope, collecting, spoil
from headrace.definitions import (
    BatchSource,
    Entity,
    FeatureRef,
    FeatureService,
    FeatureView,
    OnDemandRef,
    OnDemandView,
    RequestSource,
    StreamSource,
    Subject,
)
from headrace.definitions.feature_view import chain_of, check_keys
from headrace.errors import DefinitionError, HeadraceError, Place, ProjectError, UsageError
from headrace.functions import Function
from headrace.importing import importable
from headrace.lines import Lines
from headrace.project import Project, Views
from headrace.registry import SchemaRegistry
from headrace.settings import Settings, load_settings

if TYPE_CHECKING:
    from headrace.plan import ViewPlan

Registry = Callable[[Subject], AvroSchema]
"""Gives the schema of a subject; HeadraceError if there is none or nobody answers."""


def load(config: str | Path = "config", *, registry: Registry | None = None) -> Project:
    """Run ``features/**/*.py`` of the config folder, in the order of their names, and check what they declare.

    Definitions bound to a module's name count, also those inside a list, tuple or dict, and whatever they refer
    to. `registry` gives the schemas of subjects; without it the setting `registry.url` is asked. Raises
    ProjectError with every mistake, in the order of files and lines; UsageError if there is no such folder.
    """
    root = Path(config).resolve()
    if not root.is_dir():
        raise UsageError(f"there is no config folder `{config}`. `headrace init` makes one.")
    if not (root / "features").is_dir():
        raise UsageError(f"`{config}` has no folder `features`. `headrace init` makes a config folder.")
    files = [f for f in sorted((root / "features").rglob("*.py")) if "__pycache__" not in f.parts]
    with collecting(root) as scope:
        with importable(root) as modules:
            for file in files:
                modules.run(file)
        lines = Lines(root)
        for file in files:
            scope.mistakes.extend(lines.read(file))
        scope.mistakes.extend(modules.mistakes)
        found = gather(modules.modules.values())
        if not modules.failed:
            _check_bound(scope, found)
        _resolve(found, registry, root)
        _check_names(found)
        _check_functions(scope)
        project = _project(root, found, scope)
        plans = _plans(found, project.functions)
    if scope.mistakes:
        for mistake in scope.mistakes:
            lines.refine(mistake)
        raise ProjectError(sorted(_once(scope.mistakes), key=_order))
    object.__setattr__(project, "plans", plans)
    return project


def gather(modules: Iterable[ModuleType]) -> list[Definition]:
    """Every definition bound in these modules and every one that those refer to, each once."""
    found: dict[int, Definition] = {}

    def take(value: object, depth: int = 0) -> None:
        if isinstance(value, Definition):
            if id(value) not in found:
                found[id(value)] = value
                for part in parts_of(value):
                    take(part)
        elif isinstance(value, FeatureRef | OnDemandRef):
            take(value.view)
        elif isinstance(value, Mapping) and depth < 3:
            for inner in value.values():
                take(inner, depth + 1)
        elif isinstance(value, list | tuple | set | frozenset) and depth < 3:
            for inner in value:
                take(inner, depth + 1)

    for module in modules:
        for name, value in list(vars(module).items()):
            if not name.startswith("__"):
                take(value)
    return list(found.values())


def parts_of(definition: Definition) -> tuple[object, ...]:
    """What a definition refers to."""
    if isinstance(definition, FeatureView):
        return (definition.entity, definition.source)
    if isinstance(definition, OnDemandView):
        return definition.inputs or ()
    if isinstance(definition, FeatureService):
        return definition.features or ()
    return ()


def _check_bound(scope: Scope, found: list[Definition]) -> None:
    """Nothing that was declared is lost for want of a name."""
    kept = {id(d) for d in found}
    for definition in scope.declared:
        if id(definition) not in kept and not isinstance(definition, RequestSource) and not definition.broken:
            mistakes = Mistakes(f"{type(definition).__name__} {definition.name}", definition.place)
            mistakes.add(
                "it is declared but bound to no name, so it would not count",
                hint="Give each definition a module-level name of its own.",
            )
            mistakes.settle()


def _resolve(found: list[Definition], registry: Registry | None, root: Path) -> None:
    """Ask the registry for the schemas of subjects; then the keys of views on them can be checked."""
    waiting = [
        d for d in found if isinstance(d, StreamSource) and not d.broken and isinstance(d.schema, Subject)
    ]
    if not waiting:
        return
    for source in waiting:
        mistakes = Mistakes(f"StreamSource {source.name}", source.place)
        try:
            fetch = registry or registry_of(load_settings(root))
            assert isinstance(source.schema, Subject)
            source.resolve(fetch(source.schema))
        except DefinitionError as error:
            mistakes.take(error, field="schema")
        except HeadraceError as error:
            mistakes.add(
                f"the schema of subject {source.schema} is not known: {error}",
                field="schema",
                expected="a subject of the schema registry at registry.url",
                got=f"subject {source.schema}",
                hint="Set registry.url in headrace.toml, or give the schema as a file.",
            )
        spoil(source, mistakes.settle())
    for view in found:
        if isinstance(view, FeatureView) and any(view.source is s for s in waiting):
            mistakes = Mistakes(f"FeatureView {view.name}", view.place)
            check_keys(view, mistakes)
            spoil(view, mistakes.settle())


def registry_of(settings: Settings) -> Registry:
    """What asks the registry of the settings. UsageError, when it is asked, if they name none."""
    url = settings.registry.url

    def ask(subject: Subject) -> AvroSchema:
        if url is None:
            raise UsageError("registry.url is not set in headrace.toml")
        with SchemaRegistry(url) as registry:
            return registry.version(subject.name, subject.version or "latest").schema

    return ask


_KINDS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("entities", (Entity,)),
    ("sources", (StreamSource, BatchSource)),
    ("views", (FeatureView, OnDemandView)),
    ("services", (FeatureService,)),
)


def _check_names(found: list[Definition]) -> None:
    """Names are unique within a kind without regard to case; a view may have several versions."""
    for kind, types in _KINDS:
        met: dict[str, list[Definition]] = {}
        for definition in (d for d in found if isinstance(d, types) and d.name):
            others = met.setdefault(definition.name.lower(), [])
            other = next((o for o in others if _clash(definition, o)), None)
            others.append(definition)
            if other is None:
                continue
            versions = isinstance(definition, FeatureView) and isinstance(other, FeatureView)
            mistakes = Mistakes(f"{type(definition).__name__} {definition.name}", definition.place)
            mistakes.add(
                f"two {kind} of one name"
                + (" and version" if versions and other.name == definition.name else ""),
                field="name",
                expected="names unique without regard to case",
                got=f"`{_told(definition)}`, and `{_told(other)}` at {other.place}",
            )
            spoil(definition, mistakes.settle())


def _check_functions(scope: Scope) -> None:
    met: dict[str, Place] = {}
    for function, place in scope.functions:
        other = met.setdefault(function.name.lower(), place)
        if other is not place:
            mistakes = Mistakes(f"function {function.name}", place)
            mistakes.add(
                "two functions of one name",
                field="name",
                expected="names unique without regard to case",
                got=f"another at {other}",
            )
            mistakes.settle()


def _clash(one: Definition, other: Definition) -> bool:
    """Whether two definitions of a kind, of names alike, cannot live side by side."""
    if isinstance(one, FeatureView) and isinstance(other, FeatureView) and one.name == other.name:
        return one.version.lower() == other.version.lower()
    return True


def _told(definition: Definition) -> str:
    return definition.id if isinstance(definition, FeatureView) else definition.name


def _project(root: Path, found: list[Definition], scope: Scope) -> Project:
    sound = [d for d in found if d.name and not d.broken]
    return Project(
        root=root,
        entities={d.name: d for d in sound if isinstance(d, Entity)},
        sources={d.name: d for d in sound if isinstance(d, StreamSource | BatchSource)},
        views=Views([d for d in sound if isinstance(d, FeatureView)]),
        services={d.name: d for d in sound if isinstance(d, FeatureService)},
        on_demand={d.name: d for d in sound if isinstance(d, OnDemandView)},
        functions={f.name: f for f, _ in scope.functions},
    )


def _plans(found: list[Definition], functions: Mapping[str, Function]) -> dict[str, ViewPlan]:
    """The plan of every sound view, upstream first: what is derived from a broken view is not judged."""
    plans = {}
    views = [v for v in found if isinstance(v, FeatureView)]
    for view in views:
        object.__setattr__(view, "functions", functions)
    for view in sorted(views, key=lambda v: len(chain_of(v))):
        mistakes = Mistakes(f"FeatureView {view.name}", view.place)
        plan = check_view(view, mistakes)
        spoil(view, mistakes.settle())
        if plan is not None:
            plans[view.id] = plan
    types = {name: plan.feature_types for name, plan in plans.items()}
    for other in found:
        if isinstance(other, OnDemandView) and not other.broken:
            mistakes = Mistakes(f"OnDemandView {other.name}", other.place)
            check_on_demand(other, types, functions, mistakes)
            mistakes.settle()
    return plans


def _once(mistakes: Iterable[DefinitionError]) -> list[DefinitionError]:
    """Each mistake once, though a shared aggregate may have told it twice."""
    return list({str(m): m for m in mistakes}.values())


def _order(mistake: DefinitionError) -> tuple[str, int]:
    return mistake.place.file or "", mistake.place.line or 0


__all__ = ["Project", "Registry", "load"]
