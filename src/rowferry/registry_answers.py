"""Which of a schema registry's answers are taken: short ones, as they are, and in time."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.common._httpx_compat import httpx  # whichever it uses
from confluent_kafka.schema_registry.error import SchemaRegistryError

from rowferry.errors import Code, ConfigError
from rowferry.model import SchemaId

LONGEST_SCHEMA = 1_000_000  # characters
IDS = 1 << 31  # they are below: integers of Java
MOST_BYTES = 2_000_000
OTHER_SHAPES = (ValueError, TypeError, AttributeError, KeyError, RecursionError)  # as JSON or not
_ABSENT = (40401, 40402, 40403)  # a subject, a version, a schema
_UNTIL = "rowferry.until"

Found = TypeVar("Found")


class AnswerRefused(Exception):
    """An answer that is not taken, and why."""


class AnswerTooLong(AnswerRefused):
    """The API's own answer, longer than MOST_BYTES."""


def limit_answers(session: httpx.Client, seconds: float) -> None:
    """Have the session give up what is not whole after so many seconds, or too long.

    Nothing is decompressed: a few bytes could become any number. Raises httpx.ReadTimeout and
    AnswerRefused; of an error the status counts, and too long a body is cut.
    """

    def begin(request: httpx.Request) -> None:
        request.extensions[_UNTIL] = time.monotonic() + seconds

    session.headers["Accept-Encoding"] = "identity"
    session.event_hooks = {"request": [begin], "response": [_limit]}


def unless_absent(ask: Callable[[], Found]) -> Found | None:
    """What is asked for; None where the registry has none, or only one that is too long."""
    try:
        return ask()
    except AnswerTooLong:
        return None
    except SchemaRegistryError as error:
        if error.error_code in _ABSENT:
            return None
        raise


def id_of(found: int | None, subject: str) -> SchemaId:
    """The id that an answer gives. Raises ConfigError where it gives none."""
    if not isinstance(found, int) or not 0 <= found < IDS:
        what = "the schema registry gave no usable id"
        raise ConfigError(Code.CONFIG, what, where=f"subject {subject}")
    return SchemaId(found)


def plain_text(schema: Schema) -> str | None:
    """An Avro schema's text; None for what is none, or too long. Raises TypeError for no text."""
    text = schema.schema_str
    if text is None or (schema.schema_type or "AVRO") != "AVRO":
        return None
    if not isinstance(text, str):
        raise TypeError("a schema that is no text")
    return text if len(text) <= LONGEST_SCHEMA else None


def _limit(response: httpx.Response) -> None:
    encoding = response.headers.pop("Content-Encoding", "identity")
    if encoding.lower() != "identity" and response.is_success:
        raise AnswerRefused("is compressed, which was not asked for")
    response.stream = _Limited(response)


class _Limited(httpx.SyncByteStream):
    """The body of an answer, up to its limits."""

    def __init__(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - no async client's
        self._body, self._until = response.stream, response.request.extensions[_UNTIL]
        self._is_success = response.is_success
        self._is_json = "json" in response.headers.get("Content-Type", "")

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._body:
            if time.monotonic() > self._until:
                raise httpx.ReadTimeout("its answer was begun, and took too long")
            size += len(part)
            if size <= MOST_BYTES:
                yield part
            elif self._is_success:
                kind = AnswerTooLong if self._is_json else AnswerRefused
                raise kind(f"is over {MOST_BYTES} bytes long")
            else:
                return

    def close(self) -> None:
        self._body.close()
