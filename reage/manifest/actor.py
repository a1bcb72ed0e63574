"""The actor manifest: who the actor is, where the photographs are, and what was agreed."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

from reage.manifest.consent import ConsentRecord
from reage.manifest.fields import (
    YOUNGEST,
    Date,
    LineOfText,
    ManifestModel,
    Name,
    Place,
    SchemaVersion,
)
from reage.manifest.location import digest_of, resolve_place
from reage.manifest.nightly import NightlyUpdates
from reage.manifest.problems import refuse


class ActorManifest(ManifestModel):
    """One actor: `manifests/actors/<actor>.yaml`."""

    schema_version: SchemaVersion = Field(
        default=1, description="Version of this form of manifest."
    )
    actor: Name = Field(description="The actor's short name, the same as the file's.")
    names: Annotated[tuple[LineOfText, ...], Field(strict=False, min_length=1)] = Field(
        description="The actor's names as credited; the first is shown in reviews."
    )
    birth_date: Date | None = Field(
        default=None,
        description="The actor's birth date; photographs are dated by it. Training needs it.",
    )
    collection: Place | None = Field(
        default=None,
        description="Folder or `s3://` prefix of photographs that an adapter is trained on.",
    )
    references: Annotated[tuple[Place, ...], Field(strict=False)] = Field(
        default=(), description="Photographs that tell the actor from other faces in a shot."
    )
    nightly: NightlyUpdates | None = Field(
        default=None, description="Nightly updates of the actor's adapter; none without it."
    )
    consent: ConsentRecord = Field(description="What the actor has agreed to. Required.")

    _path: Path | None = PrivateAttr(default=None)
    _origin: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _adult_when_granted(self) -> "ActorManifest":
        if self.birth_date is None:
            return self
        birth, granted = self.birth_date, self.consent.granted
        had_birthday = (granted.month, granted.day) >= (birth.month, birth.day)
        years = granted.year - birth.year - (0 if had_birthday else 1)
        if years < YOUNGEST:
            raise refuse(
                f"a birth date at least {YOUNGEST} years before consent.granted ({granted})",
                got=birth,
                key=("birth_date",),
                cure="Reage works with adults only",
            )
        return self

    @property
    def path(self) -> Path | None:
        """The file that this manifest was read from, None when it was not."""
        return self._path

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what the manifest says, whatever its layout and comments."""
        return digest_of(self)

    def resolve(self, place: str) -> str:
        """Returns a URI or path of this manifest, a relative one against the manifest's folder.

        Raises:
            ManifestError: The manifest came from a bucket, and the place leads out of it.
        """
        return resolve_place(place, self._path, self._origin)
