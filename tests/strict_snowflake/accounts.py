"""Who may log in and with what: users, keys, tokens, roles; and the refusals with their numbers."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

LOCKED_AFTER_REFUSALS = 5
LOCKED_SECONDS = 15 * 60
LONGEST_JWT_SECONDS = 3600
JWT_SKEW_SECONDS = 60

# The times are checked against the fake's own clock.
_TIMES_LATER: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


class Refused(Exception):
    """A login that is not accepted, with the code and the words that the client is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class UserType(StrEnum):
    """TYPE of CREATE USER."""

    PERSON = "PERSON"
    SERVICE = "SERVICE"
    LEGACY_SERVICE = "LEGACY_SERVICE"


@dataclass
class AccessToken:
    """A programmatic access token or an OAuth access token."""

    secret: str
    expires_at: float
    role: str | None = None
    revoked: bool = False


def fingerprint(public_key: RSAPublicKey | EllipticCurvePublicKey) -> str:
    """`SHA256:` and the base64 SHA-256 of the DER form, as DESCRIBE USER shows it."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def read_public_key(text: str) -> RSAPublicKey | EllipticCurvePublicKey:
    """The key of a base64 DER text."""
    key = load_der_public_key(base64.b64decode(text))
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        raise TypeError("a user's public key is RSA or elliptic curve")
    return key


@dataclass
class User:
    """A user; rsa_public_key and rsa_public_key_2 are base64 DER, as ALTER USER takes them."""

    name: str
    type: UserType = UserType.SERVICE
    password: str | None = None
    default_role: str = "PUBLIC"
    roles: set[str] = field(default_factory=set)
    rsa_public_key: str | None = None
    rsa_public_key_2: str | None = None
    access_tokens: list[AccessToken] = field(default_factory=list)
    oauth_tokens: list[AccessToken] = field(default_factory=list)
    oauth_client: tuple[str, str] | None = None  # id and secret of client credentials
    disabled: bool = False
    network_allowed: bool = True
    refusals: int = 0
    locked_until: float = 0.0

    def public_keys(self) -> dict[str, RSAPublicKey | EllipticCurvePublicKey]:
        """The keys that are set, by fingerprint."""
        keys = {}
        for text in filter(None, (self.rsa_public_key, self.rsa_public_key_2)):
            key = read_public_key(text)
            keys[fingerprint(key)] = key
        return keys


class Account:
    """The account's users, and the rules by which a login is accepted."""

    def __init__(self, name: str) -> None:
        self.name = name.upper()
        self.parameters: dict[str, str] = {}  # of sessions that set none of their own
        self._users: dict[str, User] = {}

    def add(self, user: User) -> User:
        self._users[user.name.upper()] = user
        user.roles.add(user.default_role)
        return user

    def user(self, name: str) -> User:
        return self._users[name.upper()]

    def find(self, name: str) -> User | None:
        return self._users.get(name.upper())

    def authenticate(self, data: dict[str, Any], now: float) -> tuple[User, frozenset[str]]:
        """The user that a login-request's `data` proves to be, and the roles it may take."""
        user = self._users.get(str(data.get("LOGIN_NAME") or "").upper())
        kind = str(data.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
        token = str(data.get("TOKEN") or "")
        used: AccessToken | None = None
        if kind == "OAUTH":
            user, used = self._check_oauth(user, token, now)
        elif user is None:
            raise Refused("390100", "Incorrect username or password was specified.")
        elif kind == "SNOWFLAKE_JWT":
            self._check_jwt(user, token, now)
        elif kind == "PROGRAMMATIC_ACCESS_TOKEN":
            used = _check_access_token(user, token, now)
        elif kind in ("SNOWFLAKE", "USERNAME_PASSWORD_MFA"):
            used = _check_password(user, str(data.get("PASSWORD") or ""), now)
        else:
            raise Refused("390100", f"Authenticator {kind} is not known to this account.")
        if user.disabled:
            raise Refused(
                "390101", "User access disabled. Contact your local system administrator."
            )
        if not user.network_allowed:
            raise Refused(
                "390422",
                "Incoming request with IP/Token 127.0.0.1 is not allowed to access Snowflake. "
                "Contact your account administrator.",
            )
        return user, frozenset({used.role} if used and used.role else user.roles)

    def issue_oauth_token(self, client: tuple[str, str], scope: str, expires_at: float) -> str:
        """An access token for client credentials; Refused for a client that is not known."""
        for user in self._users.values():
            known = user.oauth_client
            if known and secrets.compare_digest(":".join(known), ":".join(client)):
                role = scope.removeprefix("session:role:") or None
                user.oauth_tokens.append(AccessToken(secrets.token_hex(24), expires_at, role))
                return user.oauth_tokens[-1].secret
        raise Refused("invalid_client", "This is an invalid client.")

    def _check_oauth(self, user: User | None, secret: str, now: float) -> tuple[User, AccessToken]:
        owners = [user] if user else list(self._users.values())
        for owner in owners:
            for token in owner.oauth_tokens:
                if not token.revoked and secrets.compare_digest(token.secret, secret):
                    if token.expires_at <= now:
                        raise Refused("390318", "OAuth access token expired.")
                    return owner, token
        raise Refused("390303", "Invalid OAuth access token.")

    def _check_jwt(self, user: User, token: str, now: float) -> None:
        """Signature, algorithm, issuer (ACCOUNT.USER.fingerprint), subject, times."""
        trace = f"[{secrets.token_hex(16)}]"
        try:
            header = jwt.get_unverified_header(token)
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        except jwt.InvalidTokenError as error:
            raise Refused("394306", f"JWT token is invalid. {trace}") from error
        qualified = f"{self.name}.{user.name.upper()}"
        if not issuer.startswith(f"{qualified}.SHA256:"):
            raise Refused("394300", f"JWT token is invalid. {trace}")
        key = user.public_keys().get(issuer.removeprefix(f"{qualified}."))
        if key is None:
            raise Refused("394304", f"JWT token is invalid. {trace}")
        if header["alg"] not in ("RS256", "ES256", "ES384", "ES512"):
            raise Refused("394305", f"JWT token is invalid. {trace}")
        try:
            claims = jwt.decode(token, key, algorithms=[header["alg"]], options=_TIMES_LATER)
        except jwt.InvalidTokenError as error:
            raise Refused("390144", f"JWT token is invalid. {trace}") from error
        if claims.get("sub") != qualified:
            raise Refused("394300", f"JWT token is invalid. {trace}")
        _check_times(claims, now, trace)


def _check_times(claims: dict[str, Any], now: float, trace: str) -> None:
    issued, expires = float(claims.get("iat", 0)), float(claims.get("exp", 0))
    if issued - JWT_SKEW_SECONDS > now:
        raise Refused("394302", f"JWT token is invalid. {trace}")
    if expires - issued > LONGEST_JWT_SECONDS:
        raise Refused("394303", f"JWT token is invalid. {trace}")
    if expires <= now:
        raise Refused("394301", f"JWT token is invalid. {trace}")


def _check_access_token(user: User, secret: str, now: float) -> AccessToken:
    for token in user.access_tokens:
        if secrets.compare_digest(token.secret, secret):
            if token.revoked or token.expires_at <= now:
                break
            return token
    raise Refused("394400", "Programmatic access token is invalid.")


def _check_password(user: User, password: str, now: float) -> AccessToken | None:
    """A password, or a programmatic access token in its place; service users have tokens only."""
    if any(secrets.compare_digest(t.secret, password) for t in user.access_tokens):
        return _check_access_token(user, password, now)
    if now < user.locked_until:
        raise Refused(
            "390102",
            "Your user account has been temporarily locked due to too many failed attempts. "
            "Try again after 15 minutes or contact your account administrator for assistance.",
        )
    is_service = user.type is UserType.SERVICE
    right = user.password is not None and secrets.compare_digest(user.password, password)
    if right and not is_service:
        user.refusals = 0
        return None
    user.refusals += 1
    if user.refusals >= LOCKED_AFTER_REFUSALS:
        user.refusals, user.locked_until = 0, now + LOCKED_SECONDS
    raise Refused("390100", "Incorrect username or password was specified.")
