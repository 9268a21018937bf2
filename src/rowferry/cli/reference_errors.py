"""What each error code and exit code means, for docs/errors.md."""

from rowferry.errors import (
    AccessDenied,
    Code,
    ConfigError,
    DataAtRisk,
    Fenced,
    LocalResource,
    RetryBudgetSpent,
    RowferryError,
    Unreadable,
)

EXIT_CODES: dict[int, str] = {
    0: "All is well; for `verify`: complete.",
    RowferryError.exit_code: "Unexpected: a bug. The line names a file with the traceback.",
    ConfigError.exit_code: "Configuration or usage: a setting, a missing table, no primary key.",
    AccessDenied.exit_code: "Authentication or permission.",
    DataAtRisk.exit_code: (
        "Going on could lose or repeat rows, or `verify` found the stage incomplete: "
        "a person decides. Do not restart automatically."
    ),
    Fenced.exit_code: "Another instance owns the pipeline. Do not restart automatically.",
    RetryBudgetSpent.exit_code: (
        "A part was not reached within CONNECT_SECONDS, or a stop took longer than DRAIN_SECONDS "
        "(nothing is lost); for `stack status`: not all parts run."
    ),
    Unreadable.exit_code: "A record or value that cannot be carried, and the policy is to stop.",
    LocalResource.exit_code: "Disk, memory or descriptors of this machine.",
    130: (
        "Ended by Ctrl-C, where there is nothing to drain, by a second signal, or because the "
        "reader of the output went away."
    ),
}

MEANINGS: dict[Code, tuple[str, str]] = {
    Code.UNEXPECTED: ("A bug of Rowferry.", "Report it with the traceback from the named file."),
    Code.CONFIG: ("Settings are missing, wrong or contradictory.", "Repair each listed line."),
    Code.FENCED: ("Another instance took over.", "Stop one, or rename one's pipeline."),
    Code.LOCAL_RESOURCE: (
        "Disk, memory or descriptors ran out.",
        "Free some; see SPOOL_DIR. A receiver waits for space on a full disk.",
    ),
    Code.PG_CONN: ("PostgreSQL is not reached.", "See POSTGRES_HOST and POSTGRES_PORT."),
    Code.PG_AUTH: ("PostgreSQL refuses.", "See the password; run the GRANTs that `init` prints."),
    Code.PG_HISTORY_DIVERGED: (
        "The server is not the one, or no longer of the history, that the position is of.",
        "Connect to the right one; after a restore, let the table load again.",
    ),
    Code.PG_STANDBY: ("The server is a standby.", "Read from the primary."),
    Code.TABLE_GONE: ("The table does not exist.", "See ROWFERRY_TABLES; schema and case count."),
    Code.TABLE_UNFIT: ("The table cannot be captured as it is.", "Do what the line says."),
    Code.KAFKA_CONN: ("Kafka is not reached.", "See KAFKA_SERVER and the security protocol."),
    Code.KAFKA_AUTH: ("Kafka refuses.", "See KAFKA_USERNAME and the ACLs that `init` prints."),
    Code.KAFKA_TXN: ("A Kafka transaction failed.", "None: it is tried again."),
    Code.TOPIC_GONE: (
        "The topic does not exist.",
        "Create it, or start the sender; where it was in use, do what the line says.",
    ),
    Code.TOPIC_RECREATED: (
        "The topic was deleted and created again.",
        "Find out by whom, and do what the line says; see ROWFERRY_ACCEPT_RECREATED.",
    ),
    Code.TOPIC_UNFIT: ("The topic's settings lose data.", "Change them as the line says."),
    Code.PROGRESS_UNREADABLE: (
        "The position in the progress topic is not of this version, or damaged.",
        "Use the version that wrote it, or a new pipeline name.",
    ),
    Code.SR_DOWN: ("The schema registry is not reached.", "See SCHEMA_SERVER."),
    Code.SR_AUTH: ("The schema registry refuses.", "See SCHEMA_USERNAME and SCHEMA_PASSWORD."),
    Code.SR_INCOMPATIBLE: (
        "The table's schema does not fit the registered one.",
        "Undo the change, or allow it in the registry.",
    ),
    Code.SR_ID_CONFLICT: (
        "The registry gave a known id to another schema.",
        "Restore the registry's data.",
    ),
    Code.UNREADABLE: (
        "A record cannot be read.",
        "Repair its producer, or set ROWFERRY_ON_UNREADABLE=dead_letter.",
    ),
    Code.UNCARRIABLE: (
        "A value has no form in the target type.",
        "Repair the row, leave it out with ROWFERRY_FILTER, or carry its column as text.",
    ),
    Code.TOO_LARGE: ("A message is larger than the topic takes.", "Raise max.message.bytes."),
    Code.OFFSET_RESET: (
        "Records that were not staged yet are gone from the topic.",
        "Raise the retention; the line names the lost range.",
    ),
    Code.REGISTER_UNREADABLE: (
        "The group's committed offset was written by something else.",
        "Use another ROWFERRY_GROUP, or ROWFERRY_RESUME_FROM_STAGE once.",
    ),
    Code.NO_COMMIT_BUT_FILES: (
        "The group has no position, but its files are on the stage.",
        "Start once with ROWFERRY_RESUME_FROM_STAGE.",
    ),
    Code.PREFIX_OWNED: (
        "Another group writes to the same place.",
        "Give each group a prefix of its own.",
    ),
    Code.STAGE_DOWN: ("The stage is not reached.", "None: it is tried again."),
    Code.STAGE_GONE: ("The stage is not there, or refuses.", "Create it; see its grants."),
    Code.STAGE_CONFLICT: (
        "A file has the right name and other contents, or would have other rows than decided.",
        "Do what the line says; nothing was overwritten.",
    ),
    Code.SF_AUTH: ("Snowflake refuses the login.", "See the SNOWFLAKE_* settings; use a key pair."),
    Code.INCOMPLETE: ("Files leave a gap or overlap.", "Run `rowferry verify`."),
    Code.LOAD_DOWN: (
        "Loading waits: for Snowflake, or for a lock that another loader, or a dead one, holds.",
        "None: Snowflake frees the locks of a dead client after five minutes.",
    ),
    Code.LOAD_MISMATCH: (
        "COPY loaded another number of rows than the files' names say; it was rolled back.",
        "Run `rowferry verify`.",
    ),
    Code.LINES_UNFIT: (
        "Lines lack what upsert goes by: `_op`, `_partition` or the key; it was rolled back.",
        "Do what the line says, or set ROWFERRY_LOAD=append.",
    ),
    Code.LEDGER_UNFIT: (
        "The ledger contradicts the stage's files, or does not know a target that has rows.",
        "Undo what was changed in the ledger, or in where it is: see docs/loading.md.",
    ),
    Code.TARGET_UNFIT: (
        "A column of the target cannot hold what the rows have.",
        "See `rowferry load --print-ddl`; change the column, or use another target.",
    ),
}


_ABOUT = """\
An error is one line on stderr: its code, what happened, where, and what to do. Errors that pass by
themselves are retried: for CONNECT_SECONDS before a part was reached once, afterwards for ever,
with the reason in the log.
"""


def page(generated: str) -> str:
    """Give docs/errors.md."""
    lines = [
        "# Errors\n",
        generated,
        _ABOUT,
        "## Exit codes\n\n| code | meaning |\n|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "\n## Codes\n\n| code | what happened | what to do |\n|---|---|---|",
        *(f"| `{code}` | {what} | {advice} |" for code, (what, advice) in MEANINGS.items()),
    ]
    return "\n".join(lines) + "\n"
