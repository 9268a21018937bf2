"""Gives the fake's user another kind of login, and the settings that a pipeline then needs."""

import base64
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from strict_snowflake.accounts import AccessToken, User, UserType

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DAY_SECONDS, OAUTH_SECONDS = 86400, 600


def give_key_pair(user: User, folder: Path, *, key: PrivateKey | None = None) -> dict[str, str]:
    """Make the user a service that logs in with a key pair, whose file is encrypted and private.

    A second key goes beside the first (rotation); unset `user.rsa_public_key` to retire that.
    """
    key = key or rsa.generate_private_key(65537, 2048)
    user.type, user.password = UserType.SERVICE, None
    if user.rsa_public_key is None:
        user.rsa_public_key = public_key_text(key)
    else:
        user.rsa_public_key_2 = public_key_text(key)
    passphrase = secrets.token_hex(8)
    pem = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    return {
        "SNOWFLAKE_AUTHENTICATOR": "SNOWFLAKE_JWT",
        "SNOWFLAKE_PRIVATE_KEY_FILE": _private(folder / "rsa_key.p8", pem),
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": passphrase,
    }


def give_access_token(user: User, folder: Path, now: float) -> dict[str, str]:
    """Make the user a service that logs in with a programmatic access token, good for a day."""
    user.type, user.password = UserType.SERVICE, None
    user.access_tokens.append(AccessToken(secrets.token_urlsafe(24), now + DAY_SECONDS))
    return {
        "SNOWFLAKE_AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN",
        "SNOWFLAKE_TOKEN_FILE": _private(
            folder / "access_token", user.access_tokens[-1].secret.encode()
        ),
    }


def give_oauth_token(user: User, folder: Path, now: float) -> dict[str, str]:
    """Make the user a service that shows an OAuth access token, good for ten minutes."""
    user.type, user.password = UserType.SERVICE, None
    user.oauth_tokens.append(AccessToken(secrets.token_urlsafe(24), now + OAUTH_SECONDS))
    return {
        "SNOWFLAKE_AUTHENTICATOR": "OAUTH",
        "SNOWFLAKE_TOKEN_FILE": _private(
            folder / "oauth_token", user.oauth_tokens[-1].secret.encode()
        ),
    }


def give_client_credentials(user: User, token_url: str) -> dict[str, str]:
    """Make the user a service whose client credentials are exchanged for tokens at the address."""
    user.type, user.password = UserType.SERVICE, None
    user.oauth_client = (secrets.token_hex(8), secrets.token_urlsafe(24))
    return {
        "SNOWFLAKE_OAUTH_CLIENT_ID": user.oauth_client[0],
        "SNOWFLAKE_OAUTH_CLIENT_SECRET": user.oauth_client[1],
        "SNOWFLAKE_OAUTH_TOKEN_REQUEST_URL": token_url,
    }


def public_key_text(private_key: PrivateKey) -> str:
    """A private key's public half in base64 DER, as SET RSA_PUBLIC_KEY takes it."""
    der = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def _private(path: Path, content: bytes) -> str:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return str(path)
