"""The actors' permission, asked before a flow reads or sends anything."""

from datetime import UTC, datetime

from reage.manifest import ActorManifest, ShotManifest
from reage.provenance import check_consent


def require_training_consent(actor: ActorManifest) -> None:
    """Checks that the actor's record covers learning from photographs today, whatever the show.

    Raises:
        ConsentError: The record is revoked, expired or does not cover training.
    """
    today = datetime.now(UTC).date()
    check_consent(actor, use="train", show=None, document_id=None, today=today)


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
