"""What an S3 service, or the way to it, says when a request fails, as one sentence with a cure."""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

from reage.errors import StorageError
from reage.storage.contract import StoreUnavailableError
from reage.storage.settings import StorageSettings

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
_TRANSIENT_CODES = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException"}
_CHECK_ACCESS = "check the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID) and the bucket's policy"
_CHECK_KEY = "check the URI"
_CURES = {
    "NoSuchBucket": "create the bucket or correct the URI",
    "NoSuchKey": _CHECK_KEY,
    "AccessDenied": _CHECK_ACCESS,
    "InvalidAccessKeyId": _CHECK_ACCESS,
    "SignatureDoesNotMatch": _CHECK_ACCESS,
    "ExpiredToken": "log in again",
    "PermanentRedirect": "set the bucket's own region",
    "AuthorizationHeaderMalformed": "set the bucket's own region",
    "SlowDown": "the store is overloaded: try again later",
    "RequestTimeTooSkewed": "set this machine's clock",
    "NotImplemented": "set checksum_mode: when_required, or use a store that knows this request",
    "PreconditionFailed": "the object changed while it was read: read it again",
}


def check_bucket(bucket: str) -> str:
    """Returns `bucket` if S3 allows it as a name; raises StorageError."""
    if _BUCKET.fullmatch(bucket) and ".." not in bucket:
        return bucket
    raise StorageError(
        f"s3://{bucket}: bucket: got {bucket!r}, expected 3 to 63 lower-case letters, digits, dots "
        "and hyphens"
    )


def code_of(error: ClientError) -> str:
    """Returns the service's error code, as in `NoSuchKey`; a HEAD request knows only `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def sentence(
    error: ClientError | BotoCoreError, *, place: str, verb: str, settings: StorageSettings
) -> StorageError:
    """Returns the StorageError for a failed request; a StoreUnavailableError if it may pass."""
    if isinstance(error, ClientError):
        return _answered(error, place, verb)
    endpoint = settings.endpoint_url or "Amazon S3"
    if isinstance(error, _CREDENTIALS):
        return StorageError(
            f"{place}: {verb}: got no usable credentials ({error}), expected a key for {endpoint}; "
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, HTTPClientError | NoConnectionError):
        tries = f" in {settings.max_attempts} attempts" if settings.max_attempts > 1 else ""
        return StoreUnavailableError(
            f"{place}: {verb}: got no answer ({_cause(error)}){tries}, expected an S3 service at "
            f"{endpoint}; check endpoint_url and the network"
        )
    return StorageError(f"{place}: {verb}: got {error}, expected success from {endpoint}")


def _answered(error: ClientError, place: str, verb: str) -> StorageError:
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    attempts = metadata.get("RetryAttempts", 0) + 1
    code = code_of(error)
    got = f"{status}" if code in ("", str(status)) else f"{status} {code}"
    tries = f" after {attempts} attempts" if attempts > 1 else ""
    cure = _CURES.get(code) or _cure_for_status(status)
    passing = status >= 500 or status == 429 or code in _TRANSIENT_CODES
    kind = StoreUnavailableError if passing else StorageError
    return kind(
        f"{place}: {verb}: got {got}{tries}, expected {206 if status == 416 else 200}"
        + (f"; {cure}" if cure else "")
    )


def _cure_for_status(status: int) -> str | None:
    if status in (401, 403):
        return _CHECK_ACCESS
    if status == 404:
        return "create the bucket or correct the URI"
    if status >= 500 or status == 429:
        return "the store is in trouble: try again later"
    return None


def _cause(error: BotoCoreError) -> str:
    """Returns the innermost plain words of a connection failure, as in `Connection refused`."""
    text = str(error)
    words = re.search(r"\[Errno -?\d+\] ([\w ]+)", f"{text} {error.kwargs.get('error', '')}")
    return words.group(1) if words else text.split(":", maxsplit=1)[0][:120]
