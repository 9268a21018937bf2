"""HTTP on loopback: a proxy would look for it on its own machine, so none is asked."""

import urllib.request
from collections.abc import Mapping
from typing import Any

from rowferry.stack.ports import HOST

SECONDS = 2.0
_NAMES = ("no_proxy", "NO_PROXY")  # who reads them prefers the first

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(request: urllib.request.Request) -> Any:
    """The open answer to a request, within SECONDS; raises OSError."""
    return _direct.open(request, timeout=SECONDS)


def needs_no_proxy() -> bool:
    """Whether this process's environment names a proxy that would be asked for loopback, too."""
    proxies = urllib.request.getproxies()
    return bool(proxies.keys() & {"http", "all"}) and not urllib.request.proxy_bypass(HOST)


def no_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY, in both its spellings, with this machine added to whom it names."""
    named = next((environ[name] for name in _NAMES if environ.get(name)), "")
    if named.strip() != "*":
        named = ",".join([*filter(None, [named]), HOST, "localhost"])
    return dict.fromkeys(_NAMES, named)
