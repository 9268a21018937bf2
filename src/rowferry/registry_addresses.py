"""Where a schema registry may be: the addresses of SCHEMA_SERVER, before one of them is asked."""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from rowferry.errors import Code, ConfigError, Transient

ADVICE = "see SCHEMA_SERVER: the URL of the API, with its base path"

Resolve = Callable[[str], list[str]]  # host → its addresses; raises OSError


@dataclass(frozen=True, slots=True)
class Addresses:
    """urls: joined by commas, each without its last slash. local: the hosts that are loopback."""

    urls: str
    local: frozenset[str]


def checked(urls: str, resolve: Resolve) -> Addresses:
    """The addresses, separated by commas. Raises ConfigError for one that is refused.

    A registry is not a way into the machine's own network: no metadata service, no plain HTTP
    beyond loopback, no credentials in the address.
    """
    found = [url.strip().rstrip("/") for url in urls.split(",") if url.strip()]
    if not found:
        raise ConfigError(Code.CONFIG, "SCHEMA_SERVER: required, and not set", advice=ADVICE)
    local = {host for url in found if (host := _local_host(url, resolve)) is not None}
    return Addresses(",".join(found), frozenset(local))


def resolved(host: str) -> list[str]:
    """The addresses of a host, as the system knows them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def _local_host(url: str, resolve: Resolve) -> str | None:
    """Its host where that is this machine; raises ConfigError where the address is refused."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused("not a URL that begins with https:// or http://")
    if parts.username or parts.password:
        raise _refused("credentials belong in SCHEMA_USERNAME and SCHEMA_PASSWORD")
    try:
        addresses = [ipaddress.ip_address(address) for address in resolve(parts.hostname)]
    except OSError as error:
        what = f"the name of the schema registry's host is not known: {error.strerror}"
        raise Transient(Code.SR_DOWN, what, where=parts.hostname) from error
    if any(a.is_link_local or a.is_multicast or a.is_unspecified for a in addresses):
        raise _refused(f"{parts.hostname} is a link-local address")
    is_local = all(address.is_loopback for address in addresses)
    if parts.scheme == "http" and not is_local:
        raise _refused("http:// is for this machine only; use https://")
    return parts.hostname if is_local else None


def _refused(why: str) -> ConfigError:
    return ConfigError(Code.CONFIG, f"SCHEMA_SERVER: {why}", advice=ADVICE)
