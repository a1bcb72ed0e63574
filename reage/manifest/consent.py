"""The actor's permission: the record that the actor's manifest holds, and what it covers.

No consent record, no run. A record names its document, the uses and shows it covers, and its dates.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from reage.manifest.fields import Date, DocumentId, ManifestModel, Name
from reage.manifest.problems import TAG_MARK, Finding, refuse, refuse_all, shown

Use = Literal["render", "train"]


class ConsentReference(ManifestModel):
    """Which consent document a shot relies on."""

    document_id: DocumentId = Field(
        description="The document's id, as in the consent record of the actor's manifest."
    )


def _shows_tag(value: object) -> str:
    return f"{TAG_MARK}any" if isinstance(value, str) else f"{TAG_MARK}list"


def _shows(value: object) -> object:
    if value != "any" and not isinstance(value, list | tuple):
        raise refuse("a list of shows, or any", got=value)
    return value


class ConsentRecord(ManifestModel):
    """What the actor has agreed to, by which document, from when to when."""

    document_id: DocumentId = Field(
        description="Id of the signed document, as the production files it."
    )
    scope: Annotated[tuple[Use, ...], Field(strict=False, min_length=1)] = Field(
        description="The uses agreed to: `render` (re-age shots), `train` (learn from photographs)."
    )
    shows: Annotated[
        Annotated[tuple[Name, ...], Field(strict=False, min_length=1), Tag(f"{TAG_MARK}list")]
        | Annotated[Literal["any"], Tag(f"{TAG_MARK}any")],
        Discriminator(_shows_tag),
        BeforeValidator(_shows),
    ] = Field(description="The shows covered, or `any`.")
    granted: Date = Field(description="First day on which the consent holds.")
    expires: Date = Field(description="Last day on which the consent holds.")
    revoked: Date | None = Field(
        default=None, description="Day from which the actor has withdrawn the consent."
    )

    @model_validator(mode="after")
    def _dates_in_order(self) -> "ConsentRecord":
        found = [
            Finding((name,), str(day), f"no earlier than granted ({self.granted})")
            for name, day in (("expires", self.expires), ("revoked", self.revoked))
            if day is not None and day < self.granted
        ]
        if found:
            raise refuse_all(found)
        return self


def consent_findings(
    record: ConsentRecord, *, use: Use, show: str | None, document_id: str | None, today: date
) -> list[Finding]:
    """Returns why `record` does not cover a use, nothing when it does.

    Args:
        record: The actor's consent record.
        use: What is to be done.
        show: The show it is done for; None when it is done for none in particular, such as learning
            from photographs: what is learnt is asked about again by each shot that uses it.
        document_id: The document that the shot relies on; None when no shot is involved.
        today: The day on which it is done.
    """
    found = _date_findings(record, today)
    ask = "ask the production for a new consent document"
    if use not in record.scope:
        found.append(Finding(("scope",), ", ".join(record.scope), f"{use} among the uses", ask))
    if show is not None and record.shows != "any" and show not in record.shows:
        found.append(Finding(("shows",), ", ".join(record.shows), f"{show} among the shows", ask))
    if document_id is not None and document_id != record.document_id:
        expected = f"{shown(document_id)}, which the shot names"
        cure = "correct consent.document_id in the shot or in the actor's manifest"
        found.append(Finding(("document_id",), shown(record.document_id), expected, cure))
    return found


def _date_findings(record: ConsentRecord, today: date) -> list[Finding]:
    found: list[Finding] = []
    if record.revoked is not None and record.revoked <= today:
        cure = "stop work with this actor and ask the production"
        expected = f"no withdrawal by {today}"
        found.append(Finding(("revoked",), str(record.revoked), expected, cure))
    if today < record.granted:
        cure = "wait until the consent begins"
        found.append(Finding(("granted",), str(record.granted), f"{today} or earlier", cure))
    if record.expires < today:
        cure = "ask the production for a new consent document"
        found.append(Finding(("expires",), str(record.expires), f"{today} or later", cure))
    return found
