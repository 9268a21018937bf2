"""`stageInfo` of the answers to PUT and GET: points each cloud's client code at this server.

The clients accept https only and form the host themselves; the parts are cut so that it is the
loopback address. authority is the storage's host:port; folder is bucket and path.
"""

import secrets
from typing import Any
from urllib.parse import quote

from strict_snowflake.sessions import Session
from strict_snowflake.stages import Cloud, Encryption, Stage, Stages
from strict_snowflake.storage import ROOTS

LAST_CLIENT_WITH_BUCKET_IN_HOST = 4


class StageInfo:
    """Says where a stage's files are, and lends the keys."""

    def __init__(self, stages: Stages, authority: str) -> None:
        self._stages, self._authority = stages, authority

    def of(self, session: Session, stage: Stage, path: str) -> dict[str, Any]:
        """`stageInfo` for a folder of the stage."""
        token, folder = self._stages.lend(stage), f"{stage.bucket}/{path}"
        cloud = self._stages.cloud
        if cloud is Cloud.S3:
            info = self._s3(session, token, folder)
        elif cloud is Cloud.AZURE:
            info = self._azure(token, folder)
        else:
            info = self._gcs(token if cloud is Cloud.GCS_TOKEN else None, folder)
        info["path"] = info["location"]
        info["isClientSideEncrypted"] = stage.encryption is Encryption.FULL
        return info

    def presigned_url(self, stage: Stage, name: str) -> str:
        """A URL that opens one file for an hour, on Google Cloud."""
        path = quote(f"{ROOTS[Cloud.GCS]}/{stage.bucket}/{name}")
        signed = quote(
            "host;x-goog-if-generation-match;x-goog-meta-encryptiondata;"
            "x-goog-meta-matdesc;x-goog-meta-sfc-digest"
        )
        return (
            f"https://{self._authority}/{path}?X-Goog-SignedHeaders={signed}"
            f"&X-Goog-Signature={self._stages.lend(stage)}"
        )

    def _s3(self, session: Session, token: str, folder: str) -> dict[str, Any]:
        """4.x: https://<bucket>.<endPoint>/<path>; 5.x: https://<endPoint>/<bucket>/<path>."""
        location, end_point = f"{ROOTS[Cloud.S3]}/{folder}", self._authority
        if session.client_major <= LAST_CLIENT_WITH_BUCKET_IN_HOST:
            bucket, _, end_point = self._authority.rpartition(".")
            location = f"{bucket}/{location}"
        return {
            "locationType": "S3",
            "location": location,
            "region": "us-east-1",
            "endPoint": end_point,
            "storageAccount": None,
            "creds": {
                "AWS_KEY_ID": "FAKEKEY",
                "AWS_SECRET_KEY": secrets.token_hex(20),
                "AWS_TOKEN": token,
            },
        }

    def _azure(self, token: str, folder: str) -> dict[str, Any]:
        """https://<account>.blob.<endPoint>/<container>/<path>."""
        return {
            "locationType": "AZURE",
            "location": folder,
            "region": "westeurope",
            "endPoint": ROOTS[Cloud.AZURE].rpartition(".")[2],
            "storageAccount": f"{self._authority}/azure",
            "creds": {"AZURE_SAS_TOKEN": f"sv=2026-01-01&sig={token}"},
        }

    def _gcs(self, token: str | None, folder: str) -> dict[str, Any]:
        """https://<endPoint>/<bucket>/<path> with a token; else presigned URLs come beside it."""
        info: dict[str, Any] = {
            "locationType": "GCS",
            "location": f"{ROOTS[Cloud.GCS]}/{folder}",
            "region": "EUROPE-WEST4",
            "creds": {},
        }
        if token:
            info["endPoint"] = self._authority
            info["creds"] = {"GCS_ACCESS_TOKEN": token}
        return info
