"""Says what an adapter's version is worth, from the lines to it from its start and from the last.

    reage diagnose manifests/actors/ada.yaml v003

Consent to training is asked before any photograph is read. A second run finds the first's result.
"""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.gather_collection import gathered
from flows.progress import stage_progress
from reage.collection.portrait_measures import PortraitLimits
from reage.manifest import load_actor
from reage.registry.adapters import LATEST, AdapterRecord, find_adapter, version_before
from reage.registry.priors import find_prior
from reage.workspace import Workspace
from tasks.landscape import draw_landscape
from tasks.refs import CollectionRef, PriorRef
from tasks.states import LandscapeRef, StateRef

REMEMBERED = "landscape"


@flow(
    name="diagnose-adapter",
    flow_run_name="diagnose {manifest} {version}",
    validate_parameters=False,
)
def diagnose_adapter(
    manifest: str, version: str = LATEST, work: str = "work", limits: PortraitLimits | None = None
) -> LandscapeRef:
    """Diagnoses a version of the actor's adapter on the photographs of the actor's collection.

    Args:
        manifest: Path of the actor manifest.
        version: `latest`, or a version as `v003`.
        work: Root of the work folders.
        limits: What is asked of a photograph, when it is not the usual.

    Raises:
        ReageError: Consent, version, prior or photographs are not as they must be.
    """
    actor = load_actor(Path(manifest))
    record = find_adapter(actor.actor, version)
    StateRef.of(record)  # a version that cannot be diagnosed says so before photographs are read
    prior = find_prior(record.facts.prior_name)
    record.check_prior(prior.name, prior.digest)
    pointed = PriorRef.of(prior)
    with stage_progress() as report:
        collection = gathered(actor, pointed, work=work, report=report, limits=limits)
    return landscape_of(record, collection, pointed, work=work)


def landscape_of(
    record: AdapterRecord, collection: CollectionRef, prior: PriorRef, *, work: str
) -> LandscapeRef:
    """Draws a registered version's landscape inside a flow, and shows the verdict on the server."""
    before = version_before(record)
    workspace = Workspace.of_actor(work, record.actor)
    landscape = draw_landscape(
        StateRef.of(record),
        None if before is None else StateRef.of(before),
        collection,
        prior,
        workspace=workspace,
    )
    workspace.remember(
        REMEMBERED,
        {
            "version": record.version,
            "headline": landscape.headline,
            "findings": list(landscape.findings),
            "page": str(landscape.page),
        },
    )
    lines = "\n".join(f"- {finding}" for finding in landscape.findings)
    create_markdown_artifact(
        key=f"landscape-{record.actor.replace('_', '-')}",
        markdown=f"**{record.name}** {landscape.headline}\n\n{lines}\n\n`{landscape.page}`",
        description="what lies between the adapter's start, the version before and itself",
    )
    return landscape
