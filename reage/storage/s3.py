"""S3 by boto3: conditional and multipart puts, resumed reads, bounded memory.

Multipart is spelled out here because boto3's transfer manager cannot make its last step conditional
(`If-None-Match` on CompleteMultipartUpload, which is what decides a race).
"""

import logging
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.loaders import Loader, create_loader
from s3transfer.utils import ReadFileChunk

from reage.errors import StorageError, VersionExistsError
from reage.storage.contract import Storage, StoredObject, check_key, check_prefix
from reage.storage.local import CHUNK_BYTES, local_errors
from reage.storage.s3_errors import check_bucket, code_of, sentence
from reage.storage.settings import StorageSettings

logger = logging.getLogger(__name__)

_MAX_PARTS = 10_000
_PARALLEL_PARTS = 4
_BROKEN_STREAM = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class S3Storage(Storage):
    """Objects of one bucket, under one prefix.

    Raises:
        StorageError: The bucket name or prefix is unfit, or the settings contradict themselves.
    """

    def __init__(self, bucket: str, prefix: str = "", *, settings: StorageSettings) -> None:
        self.bucket = check_bucket(bucket)
        self.prefix = f"{check_key(prefix, place=f's3://{bucket}')}/" if prefix else ""
        self.settings = settings.resolved()
        self._bucket_seen = False
        with self._requests("connect", ""):
            self._client = _make_client(self.settings)

    def uri(self, key: str = "") -> str:
        """Returns the `s3://` URI of a key, or of the store's prefix."""
        return f"s3://{self.bucket}/{self.prefix}{key}".rstrip("/")

    def exists(self, key: str) -> bool:
        """Says whether there is an object under exactly this key; raises StorageError."""
        with self._requests("look up", key):
            try:
                self._client.head_object(**self._object(key))
            except ClientError as error:
                if code_of(error) not in ("404", "NoSuchKey", "NotFound"):
                    raise
                self._check_bucket_exists()  # a missing bucket, too, answers 404
                return False
            return True

    def list_objects(self, prefix: str = "") -> list[StoredObject]:
        """Returns every object whose key begins with `prefix`, sorted; raises StorageError."""
        found = [
            StoredObject(item["Key"].removeprefix(self.prefix), item["Size"], item["ETag"])
            for page in self._list(prefix)
            for item in page.get("Contents", [])
            if not item["Key"].endswith("/")  # what consoles make of an empty folder
        ]
        return sorted(found, key=lambda item: item.key)

    def list_folders(self, prefix: str = "") -> list[str]:
        """Returns the names of the folders directly under `prefix`, sorted; raises StorageError."""
        base = f"{prefix.rstrip('/')}/" if prefix else ""
        start = len(self.prefix + base)
        return sorted(
            item["Prefix"][start:].rstrip("/")
            for page in self._list(base, Delimiter="/")
            for item in page.get("CommonPrefixes", [])
        )

    def remove(self, key: str) -> None:
        """Removes an object; one that is not there is no error. Raises StorageError."""
        with self._requests("remove", key):
            self._client.delete_object(**self._object(key))

    def abort_stale_uploads(self, *, older_than: timedelta = timedelta(days=1)) -> list[str]:
        """Aborts multipart uploads that killed clients left (their parts cost money, unseen)."""
        latest = datetime.now(UTC) - older_than
        aborted = []
        with self._requests("abort uploads", ""):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"] > latest:
                        continue
                    self._client.abort_multipart_upload(
                        Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    aborted.append(upload["Key"].removeprefix(self.prefix))
        return sorted(aborted)

    def _object(self, key: str) -> dict[str, Any]:
        return {
            "Bucket": self.bucket,
            "Key": self.prefix + check_key(key, place=self.uri()),
        }

    def _list(self, prefix: str, **options: Any) -> list[dict[str, Any]]:
        check_prefix(prefix, place=self.uri())
        with self._requests("list", prefix):
            pages = self._client.get_paginator("list_objects_v2")
            return list(pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix, **options))

    def _check_bucket_exists(self) -> None:
        if not self._bucket_seen:
            self._client.head_bucket(Bucket=self.bucket)
            self._bucket_seen = True

    def _write(self, source: Path | bytes, key: str, *, if_absent: bool) -> None:
        # Asked first as well, because some stores ignore the condition and would overwrite.
        if if_absent and self.exists(key):
            raise self._taken(key)
        with local_errors(str(source)[:200], "read"):
            size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
        with self._requests("put", key), local_errors(self.uri(key), "read"):
            if isinstance(source, Path) and size > self.settings.part_bytes:
                self._put_in_parts(source, size, key, if_absent=if_absent)
            elif isinstance(source, bytes):
                self._put_whole(source, key, if_absent=if_absent)
            else:
                with source.open("rb") as file:
                    self._put_whole(file, key, if_absent=if_absent)

    def _put_whole(self, body: Any, key: str, *, if_absent: bool) -> None:
        def put() -> None:
            if not isinstance(body, bytes):
                body.seek(0)
            self._client.put_object(Body=body, **self._object(key), **_condition(if_absent))

        self._unless_conflicting(put, key)

    def _put_in_parts(self, path: Path, size: int, key: str, *, if_absent: bool) -> None:
        part_bytes = max(self.settings.part_bytes, math.ceil(size / _MAX_PARTS))
        upload = self._object(key)
        upload["UploadId"] = self._client.create_multipart_upload(**upload)["UploadId"]

        def send(index: int) -> dict[str, Any]:
            start = index * part_bytes
            with ReadFileChunk.from_filename(str(path), start, part_bytes) as body:
                answer = self._client.upload_part(Body=body, PartNumber=index + 1, **upload)
            return {"PartNumber": index + 1, "ETag": answer["ETag"]}

        try:
            with ThreadPoolExecutor(_PARALLEL_PARTS, thread_name_prefix="s3-part") as pool:
                try:
                    parts = list(pool.map(send, range(math.ceil(size / part_bytes))))
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
            self._unless_conflicting(
                lambda: self._client.complete_multipart_upload(
                    MultipartUpload={"Parts": parts}, **upload, **_condition(if_absent)
                ),
                key,
            )
        except BaseException:  # an interrupt, too, must leave no invisible parts behind
            self._abort(upload)
            raise

    def _abort(self, upload: dict[str, Any]) -> None:
        try:
            self._client.abort_multipart_upload(**upload)
        except (ClientError, BotoCoreError) as error:
            logger.warning(
                "unfinished upload left; abort_stale_uploads removes it key=%s error=%s",
                upload["Key"],
                error,
            )

    def _unless_conflicting(self, request: Any, key: str) -> None:
        """Sends a write; 412 means the key is taken, 409 that two conditional writes met."""
        for attempt in range(self.settings.max_attempts):
            try:
                request()
            except ClientError as error:
                if code_of(error) in ("PreconditionFailed", "412"):
                    raise self._taken(key) from error
                last = attempt + 1 == self.settings.max_attempts
                if code_of(error) != "ConditionalRequestConflict" or last:
                    raise
                time.sleep(0.1 * 2**attempt)
            else:
                return

    def _taken(self, key: str) -> VersionExistsError:
        return VersionExistsError(
            f"{self.uri(key)}: put: got an object that exists, expected none; publish a new version"
        )

    def _chunks(self, key: str) -> Iterator[bytes]:
        """Yields the object; a broken stream is taken up where it broke, if it is unchanged."""
        received, size, etag = 0, -1, ""
        for attempt in range(self.settings.max_attempts):
            options = {"Range": f"bytes={received}-", "IfMatch": etag} if received else {}
            with self._requests("read", key):
                answer = self._client.get_object(**self._object(key), **options)
                if received and answer["ContentLength"] != size - received:
                    raise StorageError(
                        f"{self.uri(key)}: read: got {answer['ContentLength']} bytes when resuming "
                        f"at {received}, expected {size - received}; read it again"
                    )
                size, etag = received + answer["ContentLength"], answer["ETag"]
                try:
                    while chunk := answer["Body"].read(CHUNK_BYTES):
                        received += len(chunk)
                        yield chunk
                    return
                except _BROKEN_STREAM:
                    if attempt + 1 == self.settings.max_attempts:
                        raise
                finally:
                    answer["Body"].close()

    @contextmanager
    def _requests(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise sentence(error, place=self.uri(key), verb=verb, settings=self.settings) from error


@cache
def _loader() -> Loader:
    """Returns the one reader of boto3's service descriptions: reading them takes half a second."""
    return create_loader()


def _make_client(settings: StorageSettings) -> Any:
    core = botocore.session.Session()
    core.register_component("data_loader", _loader())
    session = boto3.session.Session(botocore_session=core, region_name=settings.region)
    region = session.region_name or ("us-east-1" if settings.endpoint_url else None)
    config = Config(
        signature_version="s3v4",
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": settings.max_attempts},
        s3={"addressing_style": settings.addressing_style or "auto"},
        request_checksum_calculation=settings.checksum_mode,
        response_checksum_validation=settings.checksum_mode,
        max_pool_connections=4 * _PARALLEL_PARTS,
    )
    return session.client(
        "s3", endpoint_url=settings.endpoint_url, region_name=region, config=config
    )


def _condition(if_absent: bool) -> dict[str, str]:
    return {"IfNoneMatch": "*"} if if_absent else {}
