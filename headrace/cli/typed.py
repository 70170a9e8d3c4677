"""What all verbs share: their options, and how an error of ours becomes an answer and an exit code.

Exit codes: 0, 1 for what failed, 2 for a call that makes no sense. No traceback for an error that is told on
purpose; with ``--json`` it is a problem document (RFC 9457) on standard output.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from headrace.errors import HeadraceError, UsageError

Config = Annotated[
    Path,
    typer.Option("--config", metavar="DIR", help="The config folder.", envvar=None),
]
AllowGaps = Annotated[
    bool, typer.Option("--allow-gaps", help="Go on without the events that history has lost.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

DEFAULT_CONFIG = Path("config")


class Verb(TyperCommand):
    """A verb whose errors are told, not traced."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except HeadraceError as error:
            from headrace.cli.telling import tell_error

            tell_error(error, as_json=bool(ctx.params.get("json_")))
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None


class InOrder(TyperGroup):
    """Lists verbs in the order in which they were declared, which is the order of a day's work, each with the first
    paragraph of its help.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, (verb.help or "").partition("\n\n")[0]) for name, verb in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Verbs(typer.Typer):
    """A Typer app whose commands are verbs."""

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        options.setdefault("cls", Verb)
        made = super().command

        def decorate(verb: Any) -> Any:
            options["help"] = _flowing(options.get("help") or inspect.getdoc(verb) or "")
            return made(*args, **options)(verb)

        return decorate


def _flowing(text: str) -> str:
    """Paragraphs without the line breaks that the source needs: the terminal has its own width. Bold and dim as Rich
    writes them; it is not asked, since loading it takes longer than all else that help needs.
    """
    styled = re.sub(
        r"\[(bold|dim)\](.*?)\[/\1\]", lambda m: typer.style(m[2], **{m[1]: True}), text, flags=re.S
    )
    return "\n\n".join(" ".join(part.split()) for part in styled.replace("\\[", "[").split("\n\n"))


def verbs(help: str) -> Verbs:
    """A group of verbs. Without one, it shows its help."""
    return Verbs(
        help=_flowing(help),
        cls=InOrder,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 1000},
    )
