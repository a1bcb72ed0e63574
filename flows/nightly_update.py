"""Folds each night's new photographs into the actors' adapters, without forgetting earlier ones.

    reage nightly manifests/actors

Deployed with a schedule; nights that overlap queue. An actor's failure does not stop the others,
and a night that was killed is taken up by the next one.
"""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.actor_night import update_actor
from reage.collection.portrait_measures import PortraitLimits
from reage.errors import ReageError, in_words
from reage.markdown import table
from reage.registry.standing import deciding
from reage.rehearsal.night import ActorNight, Night
from reage.rehearsal.night_archive import night_page_path
from reage.rehearsal.night_page import write_night_page
from reage.workspace import Workspace
from tasks.actor_manifests import find_actors
from tasks.adapter_training import UPDATES, UPDATES_BEGUN
from tasks.increments import LESSONS

# Of a finished update: what is worth keeping is in the registry.
_PASSING = (UPDATES, UPDATES_BEGUN, LESSONS, "arrivals", "increment", "examination")


@flow(name="nightly-update", flow_run_name="night of {manifests}", validate_parameters=False)
def nightly_update(
    manifests: str | list[str] = "manifests/actors",
    work: str = "work",
    limits: PortraitLimits | None = None,
) -> Night:
    """Updates the adapter of every actor whose manifest has a section `nightly`.

    Args:
        manifests: Actor manifests, or folders or `s3://` prefixes of them.
        work: Root of the work folders.
        limits: What is asked of a photograph, when it is not the usual.

    Returns:
        What became of each actor.

    Raises:
        ManifestError: There is no manifest at all.
        StorageError: The bucket of the manifests cannot be read.
        ReageError: Some actors' updates failed; the message lists them, the others are done.
    """
    places = find_actors([manifests] if isinstance(manifests, str) else manifests, work)
    day = datetime.now(UTC).date().isoformat()
    nights = [_outcome(place, work, limits) for place in places]
    night = with_page(Night(day=day, actors=tuple(nights)), Path(work))
    _tell(night)
    for actor in nights:
        if actor.outcome == "updated":
            Workspace.of_actor(work, actor.actor).clear(*_PASSING)
    if failures := night.failures():
        listed = "\n".join(f"{actor.actor}: {actor.detail}" for actor in failures)
        raise ReageError(
            f"{night.page}: {len(failures)} of {len(nights)} actors failed, expected none\n{listed}"
        )
    return night


def _outcome(manifest: str, work: str, limits: PortraitLimits | None) -> ActorNight:
    """Runs an actor's night as a flow run of its own; what it raises ends that actor's alone.

    Its value comes from the call, not from the run's state: a state that the server was asked to
    set twice, as its first answer came too late, comes back without one.
    """
    try:
        return update_actor(manifest, work=work, limits=limits)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        detail = in_words(error)
        get_run_logger().error("%s: %s", manifest, detail)
        return ActorNight(actor=Path(manifest).stem, outcome="failed", detail=detail)


def with_page(night: Night, work: Path) -> Night:
    """Writes the page, while no one whose pictures it takes can be purged."""
    page = night_page_path(work, night.day)
    shown = {actor.actor for actor in night.actors if actor.report or actor.strip}
    with ExitStack() as stack:
        for actor in sorted(shown):
            stack.enter_context(deciding(actor))
        write_night_page(night, page)
    return replace(night, page=str(page))


def _tell(night: Night) -> None:
    """Shows the night on the server."""
    rows = [actor.row() for actor in night.actors]
    create_table_artifact(key="nightly-update-actors", table=rows, description=night.headline)
    cells = [[cell.replace("|", "/").replace("\n", " ") for cell in row.values()] for row in rows]
    listed = table(list(rows[0]), cells)
    create_markdown_artifact(
        key="nightly-update",
        markdown=f"**Night of {night.day}**: {night.headline}\n\n{listed}\n\n`{night.page}`",
        description="what became of each actor, and where the page lies",
    )
