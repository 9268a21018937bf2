"""The schema registry: the one place that speaks its API."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.common._httpx_compat import httpx  # whichever it uses
from confluent_kafka.schema_registry.error import SchemaRegistryError

from rowferry.config import Settings
from rowferry.errors import AccessDenied, Code, ConfigError, DataAtRisk, RowferryError, Transient
from rowferry.model import SchemaId
from rowferry.registry_addresses import ADVICE, Resolve, checked, resolved
from rowferry.registry_answers import (
    IDS,
    LONGEST_SCHEMA,
    OTHER_SHAPES,
    AnswerRefused,
    id_of,
    limit_answers,
    plain_text,
    unless_absent,
)
from rowferry.types.connect import with_references

SECONDS = 5.0
_MOST_REFERENCES = 100


class Registry:
    """Subjects and schemas; any thread.

    An address is given up where it is silent for SECONDS, or its answer is not whole by then.

    Raises AccessDenied, Transient (SR_DOWN) where the registry does not answer, ConfigError for
    an address that is refused or is no registry.
    """

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._settings = settings
        addresses = checked(settings.schema_server, resolve or resolved)
        self._where = addresses.urls
        conf: dict[str, Any] = {"url": self._where, "timeout": SECONDS, "max.retries": 0}
        if settings.schema_username:
            secret = settings.schema_password
            password = secret.get_secret_value() if secret else ""
            conf["basic.auth.user.info"] = f"{settings.schema_username}:{password}"
        if settings.schema_ssl_ca:
            conf["ssl.ca.location"] = settings.schema_ssl_ca
        try:
            self._client = SchemaRegistryClient(conf)
        except OSError as error:
            what = f"SCHEMA_SSL_CA cannot be read: {error.strerror}"
            raise ConfigError(Code.CONFIG, what, where=str(settings.schema_ssl_ca)) from error
        _without_proxy(self._client, addresses.local)
        # the client's configuration has no place for limits
        limit_answers(self._client._rest_client.session, SECONDS)  # noqa: SLF001

    def register(self, subject: str, schema: Mapping[str, Any]) -> SchemaId:
        """The id of the schema under the subject; registered if it is not yet.

        Raises DataAtRisk (SR_INCOMPATIBLE) with the difference from the newest version.
        """
        wanted = Schema(json.dumps(schema), "AVRO")
        with self._translated(subject):
            known = unless_absent(lambda: self._client.lookup_schema(subject, wanted))
            if known is not None:
                return id_of(known.schema_id, subject)
            try:
                return id_of(self._client.register_schema(subject, wanted), subject)
            except SchemaRegistryError as error:
                if error.http_status_code != httpx.codes.CONFLICT:
                    raise
                raise self._incompatible(subject, schema) from error

    def by_id(self, schema_id: SchemaId) -> str | None:
        """The schema's JSON text, from memory once it was seen; None for an id never given."""
        if not 0 <= schema_id < IDS:  # of such a one the API says only that there is no page
            return None
        with self._translated(f"schema id {schema_id}"):
            found = unless_absent(lambda: self._client.get_schema(schema_id))
        return self._text_of(found, f"schema id {schema_id}")

    def latest(self, topic: str) -> str | None:
        """The newest schema of the topic's values; None where its subject has none."""
        return self._newest(self._settings.subject.format(topic=topic))

    def is_of(self, topic: str, schema: str) -> bool:
        """Whether a schema is a version of the topic's values."""
        wanted = fingerprint(schema)
        found = self.versions(self._settings.subject.format(topic=topic))
        return any(fingerprint(version) == wanted for version in found)

    def versions(self, subject: str) -> list[str]:
        """All schemas of a subject, the newest first; none where there is no such subject."""
        with self._translated(subject):
            numbers = unless_absent(lambda: sorted(self._client.get_versions(subject)))
            found = [self._version(subject, number) for number in reversed(numbers or ())]
        texts = (self._text_of(schema, subject) for schema in found)
        return [text for text in texts if text is not None]

    def differences(self, subject: str, schema: Mapping[str, Any]) -> list[str] | None:
        """What would keep the schema from being registered; None where nothing would."""
        with self._translated(subject):
            wanted = Schema(json.dumps(schema), "AVRO")
            is_taken = unless_absent(lambda: self._is_taken(subject, wanted))
        if is_taken is None or is_taken:
            return None
        return _differences(self._newest(subject), schema)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _is_taken(self, subject: str, wanted: Schema) -> bool:
        try:
            level = self._client.get_compatibility(subject)
        except SchemaRegistryError:  # it has none of its own; what else was wrong is so again
            level = self._client.get_compatibility()
        if level.endswith("_TRANSITIVE"):  # of all versions, not of the newest alone
            return self._client.test_compatibility_all_versions(subject, wanted)
        return self._client.test_compatibility(subject, wanted)

    def _newest(self, subject: str) -> str | None:
        with self._translated(subject):
            found = unless_absent(lambda: self._client.get_latest_version(subject).schema)
        return self._text_of(found, subject)

    def _version(self, subject: str, version: int) -> Schema | None:
        return unless_absent(lambda: self._client.get_version(subject, version).schema)

    def _text_of(self, schema: Schema | None, where: str) -> str | None:
        """An Avro schema's text, with the types of the schemas that it refers to inside."""
        if schema is None:
            return None
        with self._translated(where):
            text = plain_text(schema)
            if text is None or not schema.references:
                return text
            referred = list(self._referred(schema, set()))
        whole = with_references(text, referred)
        return whole if len(whole) <= LONGEST_SCHEMA else None

    def _referred(self, schema: Schema, seen: set[tuple[str, int]]) -> Iterator[str]:
        """The texts of all schemas that this one refers to, directly or not."""
        for reference in schema.references or ():
            place = (reference.subject or "", reference.version or -1)
            if place in seen or len(seen) >= _MOST_REFERENCES:
                continue
            seen.add(place)
            found = self._version(*place)
            if found is None:  # the gate will say which type is not defined
                continue
            yield from self._referred(found, seen)
            text = plain_text(found)
            if text is not None:
                yield text

    def _incompatible(self, subject: str, schema: Mapping[str, Any]) -> DataAtRisk:
        listed = "; ".join(_differences(self._newest(subject), schema))
        return DataAtRisk(
            Code.SR_INCOMPATIBLE,
            f"the table's schema does not fit the registered one: {listed}",
            where=f"subject {subject}",
            advice="undo the change of the table, or allow it: set the subject's compatibility"
            " to NONE, or give the table another topic",
        )

    @contextmanager
    def _translated(self, subject: str) -> Iterator[None]:
        where = f"{subject} at {self._where}"
        try:
            yield
        except SchemaRegistryError as error:
            raise _meaning(error, where) from error
        except httpx.RequestError as error:
            raise _unreached(error, where) from error
        except AnswerRefused as error:
            what = f"the schema registry's answer {error}"
            raise ConfigError(Code.CONFIG, what, where=where, advice=ADVICE) from error
        except OTHER_SHAPES as error:
            what = "the schema registry's answer is not of its API"
            raise ConfigError(Code.CONFIG, what, where=where, advice=ADVICE) from error


def _without_proxy(client: SchemaRegistryClient, hosts: Collection[str]) -> None:
    """Ask these hosts themselves, whatever proxy the environment names for all others."""
    if not hosts:
        return
    names = [f"[{host}]" if ":" in host else host for host in hosts]
    # Its configuration knows one proxy for all hosts, or the environment's, and no exception.
    rest = client._rest_client  # noqa: SLF001 - as above
    rest.session.close()
    rest.session = httpx.Client(
        verify=rest.verify,
        auth=rest.auth,
        timeout=rest.timeout,
        mounts={f"all://{name}": None for name in names},
    )


def fingerprint(schema: str | Mapping[str, Any]) -> str:
    """SHA-256 of a schema's JSON, whatever its spaces and the order of its attributes."""
    parsed = json.loads(schema) if isinstance(schema, str) else schema
    text = json.dumps(parsed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """How two record schemas differ, a line each, for people."""
    before = {field["name"]: field for field in old.get("fields", ())}
    after = {field["name"]: field for field in new.get("fields", ())}
    changes = []
    full = [f"{s.get('namespace', '')}.{s.get('name', '')}".strip(".") for s in (old, new)]
    if full[0] != full[1]:
        changes.append(f"record {full[0]} is now {full[1]}")
    changes += [f"column {name} is gone" for name in before if name not in after]
    for name, field in after.items():
        if name not in before:
            lacks = "" if "default" in field else ", and has no default"
            changes.append(f"column {name} is new{lacks}")
        elif before[name]["type"] != field["type"]:
            types = [json.dumps(f["type"]) for f in (before[name], field)]
            changes.append(f"column {name} was {types[0]} and is {types[1]}")
    return changes


def _differences(newest: str | None, schema: Mapping[str, Any]) -> list[str]:
    """How a schema differs from the newest version's text; a line at least."""
    unsaid = ["the registry does not say why"]
    if newest is None:
        return unsaid
    try:
        old = json.loads(newest)
        if old["type"] in ("record", "error"):
            return difference(old, schema) or unsaid
    except OTHER_SHAPES:  # any JSON may be a schema, and it need not be ours
        pass
    return ["the newest version is no record"]


def _meaning(error: SchemaRegistryError, where: str) -> RowferryError:
    status = error.http_status_code
    said = f"the schema registry answers {status}"
    if status in (401, 403):
        return AccessDenied(
            Code.SR_AUTH, said, where=where, advice="see SCHEMA_USERNAME and SCHEMA_PASSWORD"
        )
    if status in (408, 425, 429) or status >= 500:  # noqa: PLR2004 - HTTP's
        return Transient(Code.SR_DOWN, said, where=where)
    if status == 422:  # noqa: PLR2004 - HTTP's
        said = f"the schema registry refuses the schema: {error.error_message}"
        return ConfigError(Code.CONFIG, said, where=where)
    return ConfigError(Code.CONFIG, said, where=where, advice=ADVICE)


def _unreached(error: Exception, where: str) -> RowferryError:
    said = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return AccessDenied(
            Code.SR_AUTH,
            f"the schema registry's certificate is refused: {said}",
            where=where,
            advice="set SCHEMA_SSL_CA to the CA that signed it",
        )
    return Transient(Code.SR_DOWN, f"the schema registry is not reached: {said}", where=where)
