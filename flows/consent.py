"""The actors' permission, asked before a flow reads or sends anything."""

from datetime import UTC, datetime
from pathlib import Path

from reage.manifest import ActorManifest, ShotManifest, find_actor, load_actor
from reage.provenance import check_consent


def require_training_consent(actor: ActorManifest) -> None:
    """Checks that the actor's record covers learning from photographs today, whatever the show.

    Raises:
        ConsentError: The record is revoked, expired or does not cover training.
    """
    today = datetime.now(UTC).date()
    check_consent(actor, use="train", show=None, document_id=None, today=today)


def require_training_consent_still(manifest: str) -> None:
    """Reads the record anew: a training takes hours, and a withdrawal counts at once.

    Args:
        manifest: Path of the actor manifest.

    Raises:
        ConsentError: As `require_training_consent`.
    """
    require_training_consent(load_actor(Path(manifest)))


def require_consent_still(shot: ShotManifest) -> None:
    """Reads the records of a shot's actors anew: rendering takes hours, too.

    Raises:
        ConsentError: As `require_consent`.
    """
    place = Path(str(shot.path))
    require_consent(shot, [load_actor(find_actor(place, entry.actor)) for entry in shot.actors])


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
