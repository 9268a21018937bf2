"""Key pairs: the private key that a login signs with, a new pair for a new user."""

import base64
from typing import Any

from rowferry.config import Settings
from rowferry.errors import Code, ConfigError
from rowferry.private_files import private_text

_BITS = 2048  # what Snowflake asks for at least; a login signs 200 bytes
_EXPONENT = 65537
_FILE, _PASSPHRASE = "SNOWFLAKE_PRIVATE_KEY_FILE", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"


def private_key(settings: Settings) -> bytes:
    """The key in SNOWFLAKE_PRIVATE_KEY_FILE, opened, as PKCS#8 DER. Raises ConfigError."""
    from cryptography.hazmat.primitives import serialization

    return bytes(
        _load(settings).private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def public_key(settings: Settings) -> str:
    """Its public half, as SET RSA_PUBLIC_KEY takes it. Raises ConfigError."""
    from cryptography.hazmat.primitives import serialization

    der = (
        _load(settings)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


def new_private_key(passphrase: str | None) -> bytes:
    """A new RSA key as PKCS#8 PEM, encrypted where there is a passphrase."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return rsa.generate_private_key(_EXPONENT, _BITS).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def _load(settings: Settings) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    name = settings.snowflake_private_key_file or ""
    pem = private_text(name, _FILE).encode()
    given = settings.snowflake_private_key_passphrase
    passphrase = given.get_secret_value().encode() if given else None
    try:
        key = load_pem_private_key(pem, passphrase or None)
    except TypeError:  # the one has a passphrase, the other not
        if passphrase:
            what = f"{_PASSPHRASE}: is set, and the key is not encrypted"
        else:
            what = f"{_PASSPHRASE}: required for an encrypted key, and not set"
        raise ConfigError(Code.CONFIG, what, where=name) from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = f", or {_PASSPHRASE} does not open it" if passphrase else ""
        what = f"{_FILE}: not a private key in PEM (PKCS#8){wrong}"
        raise ConfigError(Code.CONFIG, what, where=name) from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise ConfigError(Code.CONFIG, f"{_FILE}: neither RSA nor elliptic curve", where=name)
    return key
