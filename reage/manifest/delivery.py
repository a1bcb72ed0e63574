"""What is sent, where to, and in which form."""

from typing import Literal

from pydantic import Field

from reage.manifest.fields import Endpoint, LineOfText, ManifestModel, Place, VersionPolicy

Master = Literal["prores4444", "prores422hq", "png16", "tiff16", "exr"]
AddressingStyle = Literal["auto", "path", "virtual"]
ChecksumMode = Literal["when_supported", "when_required"]


class Delivery(ManifestModel):
    """Where the shot goes and as what. Credentials are never here: the environment has them."""

    destination: Place = Field(
        description="`s3://bucket/prefix`, `file:///path` or a path relative to this file; "
        "`<show>/<sequence>/<shot>/<version>/` is added."
    )
    master: Master = Field(
        default="prores4444",
        description="Form of the master: a movie, or an image sequence (`png16`, `tiff16`, `exr`).",
    )
    review: bool = Field(
        default=True, description="Whether an H.264 review clip and a wipe clip are made."
    )
    version: VersionPolicy = Field(
        default="next",
        description="`next` free version, or the one to make, which must not exist yet.",
    )
    endpoint_url: Endpoint | None = Field(
        default=None, description="Address of an S3 store other than AWS; else the environment's."
    )
    region: LineOfText | None = Field(
        default=None, description="Region of the bucket; else the environment's."
    )
    addressing_style: AddressingStyle | None = Field(
        default=None,
        description="How the bucket is addressed; else the environment's. Many on-premises stores "
        "need `path`.",
    )
    checksum_mode: ChecksumMode | None = Field(
        default=None,
        description="When S3 checksums are sent; else the environment's. Every store understands "
        "`when_required`.",
    )
