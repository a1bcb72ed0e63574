"""How to speak to an S3 service: endpoint, region, style, patience; never credentials."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from reage.errors import StorageError

AddressingStyle = Literal["auto", "path", "virtual"]
ChecksumMode = Literal["when_supported", "when_required"]

_MEBIBYTE = 1 << 20
_LEAST_PART_BYTES = 5 * _MEBIBYTE  # S3 refuses smaller ones, but for the last


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageSettings:
    """How to speak to an S3 service; None means as the environment says, then the default.

    Credentials are never held here: boto3 finds them (environment, profile, instance role).

    Attributes:
        endpoint_url: REAGE_S3_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; default Amazon.
        region: REAGE_S3_REGION, AWS_REGION, AWS_DEFAULT_REGION; default the profile's.
        addressing_style: REAGE_S3_ADDRESSING_STYLE; default `auto`.
        checksum_mode: REAGE_S3_CHECKSUM_MODE; default `when_required`, which every store
            understands. Nothing is lost by it: all that is written is read back.
        max_attempts: Tries of a request, the first included, at least 1.
        connect_timeout_s: Seconds to wait for a connection, per attempt.
        read_timeout_s: Seconds without a byte before an attempt counts as failed.
        part_bytes: Files larger than this go up in parts of this size; S3 wants at least 5 MiB.
    """

    endpoint_url: str | None = None
    region: str | None = None
    addressing_style: AddressingStyle | None = None
    checksum_mode: ChecksumMode | None = None
    max_attempts: int = 5
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    part_bytes: int = 16 * _MEBIBYTE

    def __post_init__(self) -> None:
        url = self.endpoint_url
        if url is not None and not re.match(r"https?://[^/\s]+", url):
            raise _unfit("endpoint_url", url, "http://host or https://host")
        _check_choice("addressing_style", self.addressing_style, get_args(AddressingStyle))
        _check_choice("checksum_mode", self.checksum_mode, get_args(ChecksumMode))
        if self.max_attempts < 1:
            raise _unfit("max_attempts", self.max_attempts, "at least 1")
        if self.part_bytes < _LEAST_PART_BYTES:
            raise _unfit("part_bytes", self.part_bytes, f"at least {_LEAST_PART_BYTES}")
        for name in ("connect_timeout_s", "read_timeout_s"):
            if getattr(self, name) <= 0:
                raise _unfit(name, getattr(self, name), "more than 0")

    def resolved(self) -> "StorageSettings":
        """Returns these settings with the environment and the defaults filled in."""
        style: Any = self.addressing_style or _environment("REAGE_S3_ADDRESSING_STYLE")
        mode: Any = self.checksum_mode or _environment("REAGE_S3_CHECKSUM_MODE")
        return replace(
            self,
            endpoint_url=self.endpoint_url
            or _environment("REAGE_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
            region=self.region
            or _environment("REAGE_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
            addressing_style=style or "auto",
            checksum_mode=mode or "when_required",
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "StorageSettings":
        """Returns settings from plain values, such as those of a manifest.

        Raises:
            StorageError: A name is unknown or a value unfit.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise StorageError(f"storage settings: got {', '.join(unknown)}, expected {known}")
        return cls(**values)


def _environment(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise _unfit(name, value, " or ".join(choices))


def _unfit(name: str, value: object, expected: str) -> StorageError:
    return StorageError(f"storage settings: {name}: got {value!r}, expected {expected}")
