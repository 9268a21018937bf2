"""Opens what clients encrypt for SNOWFLAKE_FULL stages.

Scheme: the file's key, wrapped by AES-ECB with the stage's master key, opens AES-CBC with PKCS#7
padding; so a stored file is longer than its contents, up to the next multiple of 16.
"""

import base64
import json

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def decrypt(master_key: str, headers: dict[str, str], stored: bytes) -> bytes:
    """The contents of a stored file. Raises ValueError where the client sent no key."""
    wrapped, vector = _key_and_vector(headers)
    unwrap = Cipher(algorithms.AES(base64.b64decode(master_key)), modes.ECB()).decryptor()
    file_key = _unpad(unwrap.update(wrapped) + unwrap.finalize())
    opener = Cipher(algorithms.AES(file_key), modes.CBC(vector)).decryptor()
    return _unpad(opener.update(stored) + opener.finalize())


def _key_and_vector(headers: dict[str, str]) -> tuple[bytes, bytes]:
    for name, value in headers.items():
        if name.endswith("-encryptiondata"):  # Azure, Google Cloud
            data = json.loads(value)
            key, vector = data["WrappedContentKey"]["EncryptedKey"], data["ContentEncryptionIV"]
            return base64.b64decode(key), base64.b64decode(vector)
    try:
        key, vector = headers["x-amz-meta-x-amz-key"], headers["x-amz-meta-x-amz-iv"]
    except KeyError as error:
        raise ValueError("the client did not encrypt this file") from error
    return base64.b64decode(key), base64.b64decode(vector)


def _unpad(padded: bytes) -> bytes:
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
