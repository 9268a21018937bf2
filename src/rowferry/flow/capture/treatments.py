"""How the settings want a table's columns carried: laid on what the catalog says; pure."""

from dataclasses import replace

from rowferry.config import Settings
from rowferry.config_tables import ColumnSettings
from rowferry.errors import Code, ConfigError
from rowferry.model import Column, Table, Treatment
from rowferry.types import decimal_form, is_avro_name

_NUMBERS = (20, 21, 23, 26, 700, 701, 790, 1700)
_EXACT = (20, 21, 23, 26, 790, 1700)
_TIMES = (1114, 1184)
# form → oids of types that have it; enums have labels instead
_FITTING: dict[str, tuple[int, ...]] = {
    "double": _NUMBERS,
    "timestamp-millis": _TIMES,
    "enum": (),
}


def treated(table: Table, settings: Settings) -> Table:
    """The table with its columns' treatments.

    Raises ConfigError for settings of columns that are not there, or cannot be carried so.
    """
    own = settings.of(table.qualified).columns
    unknown = sorted(own.keys() - {column.name for column in table.columns})
    if unknown:
        raise _unfit(table, unknown[0], "there is no such column")
    wanted = [
        _treated(column, settings, own.get(column.name, ColumnSettings()))
        for column in table.columns
    ]
    for column in wanted:
        _check(table, column)
    names = [column.carried_name for column in wanted if not column.treatment.dropped]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise _unfit(table, min(twice), "two columns would have this name")
    return replace(table, columns=tuple(wanted))


def _treated(column: Column, settings: Settings, own: ColumnSettings) -> Column:
    treatment = Treatment(
        form=own.form or "",
        name=own.rename or "",
        dropped=own.drop,
        required=own.required,
        mask="digest" if own.mask else own.truncate,
        specials=settings.numeric_special,
        arrays_as_text=settings.arrays == "text",
    )
    fields = tuple(_treated(field, settings, ColumnSettings()) for field in column.fields)
    labels = column.labels if own.form == "enum" else ()  # else a new one is no change of ours
    return replace(column, treatment=treatment, fields=fields, labels=labels)


def _check(table: Table, column: Column) -> None:
    treatment = column.treatment
    form, is_nested = treatment.form, bool(column.element_oid or column.fields)
    if treatment.dropped and column.name in table.key:
        raise _unfit(table, column.name, "a column of the primary key cannot be dropped")
    if form in ("", "string"):
        return
    if treatment.mask is not None:
        raise _unfit(table, column.name, f"what is masked is text, not {form}")
    if form == "enum" and column.labels:
        _check_labels(table, column)
        return
    fitting = _FITTING.get(form, _EXACT)
    if is_nested or column.base_oid not in fitting:
        raise _unfit(table, column.name, f"a column of type {column.pg_type} is no {form}")
    if form not in _FITTING and decimal_form(form) is None:
        raise _unfit(table, column.name, f"{form} has more digits than the 76 of a decimal")


def _check_labels(table: Table, column: Column) -> None:
    for label in column.labels:
        if not is_avro_name(label):
            what = f"{label!r}, a label of its type, is no name that Avro allows"
            raise _unfit(table, column.name, f'{what}: as = "enum" is not for it')


def _unfit(table: Table, column: str, what: str) -> ConfigError:
    return ConfigError(
        Code.TABLE_UNFIT,
        f"column {column!r}: {what}",
        where=table.qualified,
        advice=f'see [table."{table.qualified}".columns] in rowferry.toml',
    )
