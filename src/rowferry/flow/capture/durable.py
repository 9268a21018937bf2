"""A table's state as progress records, and back: versioned, checksummed, changed parts only.

The part `state` is JSON and names all others: a set of xids is a part a block, a load a part of
its own, so that a chunk writes little. Sizes in `state` tell whether a part is missing.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rowferry.errors import Code, DataAtRisk
from rowferry.flow.capture.state import Identity, Load, Part, Pending, Server, State
from rowferry.flow.capture.xids import NONE, XidSet
from rowferry.model import ProgressRecord

FORMAT = 1
STATE = "state"

_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
_SERVER = tuple(field.name for field in fields(Server))  # asdict() costs each poll a deep copy
_PLAIN_OF_PENDING = ("xmin", "xmax", "t", "since", "restart")
_PLAIN_OF_LOAD = ("leaf", "least", "since", "least_untimed", "rows")


def sealed(payload: bytes) -> bytes:
    """The payload behind a format version and a checksum."""
    return bytes([FORMAT]) + zlib.crc32(payload).to_bytes(4, "big") + payload


def opened(part: str, value: bytes) -> bytes:
    """The payload of sealed(). Raises DataAtRisk where it is damaged or of a newer version."""
    if value[:1] != bytes([FORMAT]):
        raise _unreadable(part, "was written by another version of Rowferry")
    payload = value[5:]
    if zlib.crc32(payload).to_bytes(4, "big") != value[1:5]:
        raise _unreadable(part, "is damaged")
    return payload


def encoded(state: State) -> dict[str, bytes]:
    """Part → value of the whole state."""
    parts: dict[str, bytes] = {}
    content: dict[str, Any] = {
        "server": {name: getattr(state.server, name) for name in _SERVER},
        "identity": _identity(state.identity),
        "t": state.t,
        "xmax": state.xmax,
        "restart": state.restart,
        "again_since": state.again_since,
        "loads": [load.leaf for load in state.loads],
    }
    for name, part in (("timed", state.timed), ("untimed", state.untimed)):
        content[name] = {"least": part.least, "sent": _put_set(parts, name, part.sent)}
        if part.pending is not None:
            content[name]["pending"] = _put_pending(parts, name, part.pending)
    for load in state.loads:
        parts[f"load:{load.leaf}"] = sealed(_json(_put_load(parts, load)))
    parts[STATE] = sealed(_json(content))
    return parts


def changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[ProgressRecord, ...]:
    """The records that lead from what is durable to what is to be."""
    written = (ProgressRecord(k, v) for k, v in after.items() if before.get(k) != v)
    return (*written, *(ProgressRecord(part, None) for part in before if part not in after))


def decoded(parts: Mapping[str, bytes]) -> State | None:
    """The state of these parts; None where there is none. Raises DataAtRisk, never guesses."""
    if STATE not in parts:
        return None
    try:
        return _state(parts)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(STATE, f"cannot be understood ({type(error).__name__})") from error


def own_parts(parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The parts among these that encoded() makes."""
    prefixes = ("timed", "untimed", "load")
    return {k: v for k, v in parts.items() if k == STATE or k.split(":")[0] in prefixes}


def _state(parts: Mapping[str, bytes]) -> State:
    content = json.loads(opened(STATE, parts[STATE]))
    return State(
        Server(**content["server"]),
        _to_identity(content["identity"]),
        content["t"],
        content["xmax"],
        content["restart"],
        _get_part(parts, "timed", content["timed"]),
        _get_part(parts, "untimed", content["untimed"]),
        tuple(_get_load(parts, leaf) for leaf in content["loads"]),
        content["again_since"],
    )


def _put_set(parts: dict[str, bytes], name: str, xids: XidSet) -> int:
    for block, data in xids.serialised().items():
        parts[f"{name}:{block}"] = sealed(data)
    return len(xids)


def _get_set(parts: Mapping[str, bytes], name: str, size: int) -> XidSet:
    if not size:
        return NONE
    blocks: dict[int, bytes] = {}
    for part, value in parts.items():
        prefix, _, block = part.rpartition(":")
        if prefix == name:
            blocks[int(block)] = opened(part, value)
    xids = XidSet.from_blocks(blocks)
    if len(xids) != size:
        raise _unreadable(name, "is incomplete")
    return xids


def _put_pending(parts: dict[str, bytes], name: str, pending: Pending) -> dict[str, Any]:
    plain = {field: getattr(pending, field) for field in _PLAIN_OF_PENDING}
    size = _put_set(parts, f"{name}:pending", pending.xids)
    identity = _identity(pending.identity)
    return {**plain, "identity": identity, "after": pending.after, "xids": size}


def _get_part(parts: Mapping[str, bytes], name: str, content: dict[str, Any]) -> Part:
    sent = _get_set(parts, name, content["sent"])
    if "pending" not in content:
        return Part(content["least"], sent)
    stored = content["pending"]
    pending = Pending(
        identity=_to_identity(stored["identity"]),
        xids=_get_set(parts, f"{name}:pending", stored["xids"]),
        after=tuple(stored["after"]),
        **{field: stored[field] for field in _PLAIN_OF_PENDING},
    )
    return Part(content["least"], sent, pending)


def _put_load(parts: dict[str, bytes], load: Load) -> dict[str, Any]:
    name = f"load:{load.leaf}"
    plain = {field: getattr(load, field) for field in _PLAIN_OF_LOAD}
    sent = _put_set(parts, f"{name}:sent", load.sent)
    untimed = _put_set(parts, f"{name}:untimed", load.sent_untimed)
    return {**plain, "after": load.after, "sent": sent, "sent_untimed": untimed}


def _get_load(parts: Mapping[str, bytes], leaf: int) -> Load:
    name = f"load:{leaf}"
    stored = json.loads(opened(name, parts[name]))
    return Load(
        sent=_get_set(parts, f"{name}:sent", stored["sent"]),
        sent_untimed=_get_set(parts, f"{name}:untimed", stored["sent_untimed"]),
        after=None if stored["after"] is None else tuple(stored["after"]),
        **{field: stored[field] for field in _PLAIN_OF_LOAD},
    )


def _identity(identity: Identity) -> dict[str, Any]:
    leaves = {str(k): v for k, v in identity.leaves.items()}
    return {"oid": identity.oid, "leaves": leaves, "key": identity.key}


def _to_identity(stored: dict[str, Any]) -> Identity:
    leaves = {int(k): v for k, v in stored["leaves"].items()}
    return Identity(stored["oid"], leaves, stored.get("key", ""))


def _json(content: dict[str, Any]) -> bytes:
    return _JSON.encode(content).encode()


def _unreadable(part: str, why: str) -> DataAtRisk:
    return DataAtRisk(
        Code.PROGRESS_UNREADABLE,
        f"the stored progress {why}",
        where=f"part {part}",
        advice="use the version of Rowferry that wrote it, or choose another ROWFERRY_PIPELINE"
        " to load the table again",
    )
