"""Gives a command the flags of the settings it uses, and the settings they lead to."""

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from rowferry.cli import render
from rowferry.config import Settings, environment_name, is_secret, sections
from rowferry.sources import TOML_ONLY, Loaded, load_settings

DATABASE = ("postgres_user", "postgres_db", "postgres_password")
SENDING = (*DATABASE, "kafka_server", "schema_server", "tables")
STAGED = ("kafka_server", "stage", "tables|topics")
RECEIVING = (*STAGED, "schema_server")

Command = Callable[..., Any]


def uses_settings(
    *titles: str, required: Collection[str] = (), logs: bool = False
) -> Callable[[Command], Command]:
    """Declare the sections of settings that a command takes as flags (all, if none is named).

    The command's first parameter receives what load_settings() gave; `required` is its. A secret
    has no flag: an argument is visible to every process of the machine. logs: the command runs
    long and logs events; others log warnings only.
    """
    grouped = sections()
    fields = [name for title in (titles or grouped) for name in grouped[title]]
    flagged = [name for name in fields if name not in TOML_ONLY and not is_secret(name)]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_settings(**parameters: Any) -> Any:
            flags = {name: parameters.pop(name) for name in flagged}
            loaded = load_settings(flags, required=required)
            _set_up(loaded, logs=logs)
            return command(loaded, **parameters)

        own = list(inspect.signature(command).parameters.values())[1:]
        signature = [*own, *(_flag(name) for name in flagged)]
        with_settings.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature]
        )
        with_settings.__annotations__ = {p.name: p.annotation for p in signature}
        return with_settings

    return decorate


def as_environment(loaded: Loaded) -> dict[str, str]:
    """The flags that this process was given, as its children take them."""
    return {environment_name(name): str(value) for name, value in loaded.flags.items()}


def flag_name(field: str) -> str:
    """The flag of a setting: `--poll-seconds`."""
    return "--" + field.replace("_", "-")


def kind_of(field: FieldInfo) -> str:
    """What a setting's value looks like, for help and reference: `int`, `stop|dead_letter`."""
    options = [a for a in get_args(field.annotation) if a is not type(None)]
    annotation = options[0] if len(options) == 1 else field.annotation
    choices = get_args(annotation) or tuple(getattr(annotation, "__members__", {}).values())
    if choices and all(isinstance(choice, str) for choice in choices):
        return "|".join(choices)
    if "tuple" in str(annotation):
        return "list"
    name = getattr(annotation, "__name__", "table")
    kind = {"str": "text", "SecretStr": "secret", "bool": "yes|no", "dict": "table"}.get(name, name)
    extra = field.json_schema_extra
    unit = extra.get("unit", "") if isinstance(extra, dict) else ""
    return {"s": "seconds", "h": "hours", "B": "bytes"}.get(str(unit), kind)


def _flag(name: str) -> inspect.Parameter:
    field = Settings.model_fields[name]
    panel = next(title for title, names in sections().items() if name in names)
    is_switch = field.annotation is bool
    flag = flag_name(name)
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if is_switch else flag,
        help=f"{field.description}. {environment_name(name)}",
        show_default=False,
        metavar=None if is_switch else kind_of(field),
        rich_help_panel=f"Settings: {panel}",
    )
    # Values are validated with those of all other sources, in one report: here they stay text.
    annotation = Annotated[bool | None, option] if is_switch else Annotated[str | None, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _set_up(loaded: Loaded, *, logs: bool) -> None:
    from rowferry.observe.log import configure
    from rowferry.observe.redact import hide

    hide(loaded.settings.secret_values())
    for warning in loaded.warnings:
        render.note(f"warning: {warning}")
    configure(loaded.settings, quiet=not logs)
