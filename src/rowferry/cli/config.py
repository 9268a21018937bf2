"""`rowferry config`: the effective settings and where each came from."""

from typing import Annotated, Any

import typer

from rowferry.cli import render
from rowferry.cli.flags import uses_settings
from rowferry.config import Settings, environment_name, is_secret
from rowferry.sources import TOML_ONLY, Loaded

_SET = "(set)"


@uses_settings()
def config(
    loaded: Loaded,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    all_settings: Annotated[
        bool, typer.Option("--all", help="Also those that have their default.")
    ] = False,
) -> None:
    """Show the effective settings and where each came from; secrets are masked."""
    shown = [
        name for name in Settings.model_fields if as_json or all_settings or name in loaded.origin
    ]
    origin = {name: loaded.origin.get(name, "default") for name in shown}
    if as_json:
        render.emit_json(
            {
                _name(name): {"value": _value(loaded.settings, name), "from": origin[name]}
                for name in shown
            }
        )
        return
    rows = [[_name(name), _text(_value(loaded.settings, name)), origin[name]] for name in shown]
    render.table(["setting", "value", "from"], rows)
    if not shown:
        render.note("Nothing is set: no flag, no ROWFERRY_* variable, no .env, no rowferry.toml.")


def _name(field: str) -> str:
    return f"[{field}]" if field in TOML_ONLY else environment_name(field)


def _value(settings: Settings, name: str) -> Any:
    value = getattr(settings, name)
    if is_secret(name):
        return _SET if value is not None and value.get_secret_value() else None
    if name == "kafka":
        secrets = set(settings.secret_values())
        return {key: _SET if str(given) in secrets else given for key, given in value.items()}
    if name == "table":
        return {t: own.model_dump(mode="json", exclude_none=True) for t, own in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, list) else str(value)
