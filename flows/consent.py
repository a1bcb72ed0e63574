"""The actors' permission, asked before a flow reads or sends anything."""

from datetime import UTC, datetime

from reage.manifest import ActorManifest, ShotManifest
from reage.provenance import check_consent


def require_consent(shot: ShotManifest, actors: list[ActorManifest]) -> None:
    """Checks every actor's consent record for today.

    Raises:
        ConsentError: A record is missing, revoked, expired or does not cover this show.
    """
    for actor in actors:
        check_consent(
            actor,
            use="render",
            show=shot.show,
            document_id=shot.consent_document(actor.actor),
            today=datetime.now(UTC).date(),
        )
