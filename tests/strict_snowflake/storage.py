"""The cloud storage behind the stages: the requests of Amazon S3, Azure Blob Storage and GCS."""

import hashlib
import re
import secrets
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from strict_snowflake.http_reply import Reply, Request
from strict_snowflake.stages import Cloud, Stage, Stages, StoredFile

METADATA = ("x-amz-meta-", "x-ms-meta-", "x-goog-meta-", "content-encoding")
ROOTS = {Cloud.S3: "s3", Cloud.AZURE: "azure.blob.fake", Cloud.GCS: "gcs"}


def split_path(path: str) -> tuple[Cloud, str, str] | None:
    """Cloud, bucket and file name of a storage path; None for Snowflake's own."""
    root, _, rest = path.lstrip("/").partition("/")
    bucket, _, name = rest.partition("/")
    cloud = next((cloud for cloud, own in ROOTS.items() if own == root), None)
    return (cloud, bucket, unquote(name)) if cloud else None


class Storage:
    """Answers for whole requests; what happens on the wire is the server's."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._parts: dict[str, dict[str, bytes]] = {}  # upload or blob path -> part -> bytes
        self._begun: dict[str, dict[str, str]] = {}  # upload -> its metadata

    def answer(self, request: Request, *, loses_object: bool = False) -> Reply:
        """The answer; with loses_object the words of success, and nothing stored."""
        place = split_path(request.path)
        if place is None:
            return Reply(404)
        cloud, bucket, name = place
        if not self._stages.opens(_token(cloud, request), bucket):
            return _stale(cloud, request)
        # A dropped stage's keys still open its bucket: uploads succeed and are seen by nobody.
        stage = self._stages.in_bucket(bucket)
        if request.verb in ("GET", "HEAD"):
            return self._read(request, stage.files.get(name) if stage else None)
        if stage and name in stage.files and _only_if_absent(request):
            return Reply(412, _error("PreconditionFailed"))
        return self._write(request, cloud, None if loses_object else stage, name)

    def _read(self, request: Request, file: StoredFile | None) -> Reply:
        if file is None:
            return Reply(404, b"" if request.verb == "HEAD" else _error("NoSuchKey"))
        headers = {**file.headers, "ETag": f'"{file.etag}"'}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if wanted:
            end = int(wanted[2]) + 1 if wanted[2] else len(file.stored)
            return Reply(206, file.stored[int(wanted[1]) : end], headers)
        return Reply(200, file.stored, headers)

    def _write(self, request: Request, cloud: Cloud, stage: Stage | None, name: str) -> Reply:
        if cloud is Cloud.S3:
            return self._write_s3(request, stage, name)
        if cloud is Cloud.AZURE:
            return self._write_azure(request, stage, name)
        return self._write_whole(request, stage, name, request.body)

    def _write_whole(
        self, request: Request, stage: Stage | None, name: str, body: bytes, parts: int = 1
    ) -> Reply:
        headers = {k: v for k, v in request.headers.items() if k.startswith(METADATA)}
        return self._store(stage, name, body, headers, parts)

    def _store(
        self, stage: Stage | None, name: str, body: bytes, headers: dict[str, str], parts: int
    ) -> Reply:
        if stage is None:
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        else:
            etag = self._stages.write(stage, name, body, headers, parts).etag
        return Reply(200, b"", {"ETag": f'"{etag}"'})

    def _write_s3(self, request: Request, stage: Stage | None, name: str) -> Reply:
        query = request.query
        if request.verb == "POST" and "uploads" in query:
            upload = secrets.token_hex(8)
            self._parts[upload] = {}
            self._begun[upload] = {
                k: v for k, v in request.headers.items() if k.startswith(METADATA)
            }
            return Reply(200, _upload_begun(name, upload))
        if "uploadId" not in query:
            return self._write_whole(request, stage, name, request.body)
        upload = query["uploadId"]
        if upload not in self._parts:
            return Reply(404, _error("NoSuchUpload"))
        if request.verb == "PUT":
            self._parts[upload][query["partNumber"]] = request.body
            etag = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
            return Reply(200, b"", {"ETag": f'"{etag}"'})
        parts, metadata = self._parts.pop(upload), self._begun.pop(upload)
        if request.verb == "DELETE":
            return Reply(204)
        numbers = [e.text or "" for e in ET.fromstring(request.body).findall(".//{*}PartNumber")]
        body = b"".join(parts[number] for number in numbers)
        done = self._store(stage, name, body, metadata, len(numbers))
        return Reply(200, b"<CompleteMultipartUploadResult/>", done.headers)

    def _write_azure(self, request: Request, stage: Stage | None, name: str) -> Reply:
        kind = request.query.get("comp")
        if kind == "block":
            blocks = self._parts.setdefault(request.path, {})
            blocks[request.query["blockid"]] = request.body
            return Reply(201)
        body, parts = request.body, 1
        if kind == "blocklist":
            blocks = self._parts.pop(request.path, {})
            latest = [e.text or "" for e in ET.fromstring(request.body).findall(".//{*}Latest")]
            body, parts = b"".join(blocks[block] for block in latest), len(latest)
        return Reply(201, b"", self._write_whole(request, stage, name, body, parts).headers)


def _only_if_absent(request: Request) -> bool:
    """Conditions that newer clients set for OVERWRITE = FALSE."""
    headers = request.headers
    return headers.get("if-none-match") == "*" or headers.get("x-goog-if-generation-match") == "0"


def _token(cloud: Cloud, request: Request) -> str:
    if cloud is Cloud.S3:
        return request.headers.get("x-amz-security-token", "")
    if cloud is Cloud.AZURE:
        return request.query.get("sig", "")
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.query.get("X-Goog-Signature", bearer)


def _stale(cloud: Cloud, request: Request) -> Reply:
    """What each cloud says of credentials that have expired."""
    if cloud is Cloud.S3:
        return Reply(400, _error("ExpiredToken"))
    if cloud is Cloud.AZURE:
        return Reply(403, reason="Server failed to authenticate the request.")
    return Reply(400 if "X-Goog-Signature" in request.query else 401, _error("ExpiredToken"))


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def _upload_begun(name: str, upload: str) -> bytes:
    """The connector takes the upload's id from the third element."""
    root = ET.Element("InitiateMultipartUploadResult")
    for tag, text in (("Bucket", "bucket"), ("Key", name), ("UploadId", upload)):
        ET.SubElement(root, tag).text = text
    return ET.tostring(root)
