"""Gathering an actor's whole collection: what an adapter is trained on."""

from collections.abc import Sequence
from datetime import date

from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.collection.portrait_measures import PortraitLimits
from reage.collection.report import FEW_PHOTOGRAPHS
from reage.errors import CollectionError
from reage.workspace import Workspace
from tasks.gathering import Gathered, GatheringTerms, Report, gathered, silent
from tasks.refs import CollectionRef, PriorRef
from tasks.retries import may_pass


@task(
    name="gather collection",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def gather_collection(
    place: str,
    prior: PriorRef,
    *,
    actor: str,
    references: Sequence[str] = (),
    birth_date: date | None = None,
    limits: PortraitLimits | None = None,
    workspace: Workspace,
    report: Report = silent,
) -> CollectionRef:
    """Makes aligned, age-labelled crops of an actor's photographs, and a report for people.

    Consent to training is asked before, by the flow.

    Args:
        place: Folder, `file:///folder` or `s3://bucket/prefix`; see `reage.collection.ages`.
        prior: In whose alignment the crops are made, and which tells likeness and age.
        actor: Whose photographs they are, for the report.
        references: Places of photographs of the actor alone, which tell the actor from others.
            Without any, whoever most photographs show is the actor.
        birth_date: By which photographs are dated.
        limits: What is asked of a photograph.
        workspace: Where copies, crops and reports are kept: the actor's.
        report: Told of progress: stage, done, total.

    Raises:
        CollectionError: Nothing is fit to learn from, or the table of ages says something odd.
        FaceError: No reference photograph shows a face.
        PhotographError: A reference photograph cannot be read.
        StorageError: The folder or bucket cannot be read.
    """
    terms = GatheringTerms(
        place=place,
        prior=prior,
        actor=actor,
        references=tuple(references),
        birth_date=birth_date,
        limits=limits or PortraitLimits(),
    )
    found = gathered(terms, workspace, report)
    _check_enough(place, found)
    return CollectionRef.of(found.crops, found.step.digest, found.summary, found.pages)


def _check_enough(place: str, found: Gathered) -> None:
    summary = found.summary
    if summary.accepted:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.reasons().items())
    raise CollectionError(
        f"{place}: photographs: got none fit to learn from ({reasons or 'no photograph at all'}), "
        f"expected at least {FEW_PHOTOGRAPHS}; see {found.pages / 'report.html'}"
    )
