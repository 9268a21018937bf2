"""Which kind of login the settings mean, and what stands in its way: missing, or of another kind.

Where SNOWFLAKE_AUTHENTICATOR is unset, what is given decides: a private key, a client id, a
workload's provider, a token file, a password, in this order. So a password that is left over from
before, or is set for others, does no harm; what belongs to one kind of login only, does.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from rowferry.config import Settings, environment_name
from rowferry.config_snowflake import Login

_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_GIVEN_BY = {
    "snowflake_private_key_file": Login.KEY_PAIR,
    "snowflake_oauth_client_id": Login.CLIENT_CREDENTIALS,
    "snowflake_workload_identity_provider": Login.WORKLOAD_IDENTITY,
    "snowflake_token_file": Login.ACCESS_TOKEN,
}
_NEEDS: dict[Login, tuple[str, ...]] = {
    Login.PASSWORD: ("snowflake_password",),
    Login.KEY_PAIR: ("snowflake_private_key_file",),
    Login.ACCESS_TOKEN: ("snowflake_token_file|snowflake_password",),
    Login.OAUTH: ("snowflake_token_file",),
    Login.CLIENT_CREDENTIALS: ("snowflake_oauth_client_id", "snowflake_oauth_client_secret"),
    Login.WORKLOAD_IDENTITY: ("snowflake_workload_identity_provider",),
}
_ONLY_FOR = {
    "snowflake_private_key_passphrase": Login.KEY_PAIR,
    "snowflake_oauth_client_id": Login.CLIENT_CREDENTIALS,
    "snowflake_oauth_client_secret": Login.CLIENT_CREDENTIALS,
    "snowflake_oauth_token_request_url": Login.CLIENT_CREDENTIALS,
    "snowflake_oauth_scope": Login.CLIENT_CREDENTIALS,
    "snowflake_workload_identity_provider": Login.WORKLOAD_IDENTITY,
    "snowflake_workload_identity_entra_resource": Login.WORKLOAD_IDENTITY,
    "snowflake_workload_identity_impersonation_path": Login.WORKLOAD_IDENTITY,
}
_NAMED_BY_ITS_PROOF = (Login.OAUTH, Login.CLIENT_CREDENTIALS, Login.WORKLOAD_IDENTITY)


def login_of(settings: Settings) -> Login:
    """The kind of login, by what is given where it is not named."""
    if settings.snowflake_authenticator:
        return settings.snowflake_authenticator
    given = (login for field, login in _GIVEN_BY.items() if getattr(settings, field))
    return next(given, Login.PASSWORD)


def missing(settings: Settings, *place: str) -> Iterator[str]:
    """What the login cannot do without, a line each; place: fields that its use needs, too."""
    login = login_of(settings)
    who = ("snowflake_account", *(() if login in _NAMED_BY_ITS_PROOF else ("snowflake_user",)))
    needs = _NEEDS[login]
    if login is Login.PASSWORD and settings.snowflake_authenticator is None:
        needs = ("snowflake_private_key_file|snowflake_token_file|snowflake_password",)
    if settings.snowflake_workload_identity_provider == "OIDC":
        needs = (*needs, "snowflake_token_file")
    for alternatives in (*who, *place, *needs):
        fields = alternatives.split("|")
        if not any(_is_set(settings, field) for field in fields):
            yield f"{' or '.join(map(environment_name, fields))}: required for {login}, and not set"


def contradictions(settings: Settings) -> Iterator[str]:
    """What is given for another kind of login, or does not go together, a line each."""
    login = login_of(settings)
    for field, owner in _ONLY_FOR.items():
        if owner is not login and _is_set(settings, field):
            name = environment_name(field)
            yield f"{name}: is for SNOWFLAKE_AUTHENTICATOR={owner}, and the login is {login}"
    if login is Login.WORKLOAD_IDENTITY:
        yield from _of_providers(settings)
    url = settings.snowflake_oauth_token_request_url
    if url and not _is_safe(url):
        yield (
            "SNOWFLAKE_OAUTH_TOKEN_REQUEST_URL: not a URL that begins with https:// "
            "(http:// on loopback only) and holds no credentials"
        )


def _of_providers(settings: Settings) -> Iterator[str]:
    provider = settings.snowflake_workload_identity_provider
    if settings.snowflake_workload_identity_entra_resource and provider != "AZURE":
        yield "SNOWFLAKE_WORKLOAD_IDENTITY_ENTRA_RESOURCE: is for the provider AZURE only"
    if settings.snowflake_workload_identity_impersonation_path and provider == "OIDC":
        yield "SNOWFLAKE_WORKLOAD_IDENTITY_IMPERSONATION_PATH: not for the provider OIDC"


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    is_near = parts.scheme == "http" and parts.hostname in _LOOPBACK
    is_addressed = bool(parts.hostname) and not (parts.username or parts.password)
    return is_addressed and (parts.scheme == "https" or is_near)


def _is_set(settings: Settings, field: str) -> bool:
    value = getattr(settings, field)
    return bool(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
