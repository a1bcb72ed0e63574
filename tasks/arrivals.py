"""Photographs that came since an actor's last update: found by digest, gathered as any are."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.collection.ages import TABLE_NAME, photos_among
from reage.collection.selection import KnownFaces
from reage.storage import file_digest
from reage.workspace import Workspace
from tasks.fetching import local_path
from tasks.gathering import GatheringTerms, Report, found_files, gathered, silent
from tasks.gpu import loaded_prior
from tasks.increment_refs import ArrivalsRef, BufferRef
from tasks.refs import CollectionRef
from tasks.remembered_faces import found_buffer
from tasks.retries import may_pass

_REFUSED = "refused-at-night"


@task(
    name="find arrivals",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def find_arrivals(
    terms: GatheringTerms,
    buffer: BufferRef | None,
    *,
    left_alone: Collection[str] = (),
    workspace: Workspace,
    report: Report = silent,
) -> ArrivalsRef:
    """Lists the photographs that were neither learnt from nor held out nor refused before.

    A refused one is looked at again once the table of ages, a reference photograph, or anything
    else that decides on it has changed.

    Args:
        terms: What is asked of a photograph, and where they lie.
        buffer: Which says what was seen; None before the first increment.
        left_alone: SHA-256 (hex) of photographs that a rollback set aside.
        workspace: The actor's.
        report: Told of progress.

    Raises:
        StorageError: The folder or bucket cannot be read.
    """
    files = found_files(terms.place, workspace, report)
    table = files.get(TABLE_NAME)
    conditions = workspace.key(
        "conditions",
        table=None if table is None else file_digest(table),
        references=[file_digest(Path(local_path(place, workspace))) for place in terms.references],
        birth_date=terms.birth_date,
        limits=terms.limits,
        prior=terms.prior.content,
    )
    photos = photos_among({name: path for name, path in files.items() if path is not None})
    digests = {photo.name: file_digest(photo.path) for photo in photos}
    seen = set() if buffer is None else set(found_buffer(buffer).seen)
    known = seen | refused_before(workspace, conditions) | set(left_alone)
    new = {name: digest for name, digest in digests.items() if digest not in known}

    def produce(folder: Path) -> dict[str, Any]:
        text = json.dumps({"photographs": new}, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / "arrivals.json").write_text(text + "\n", encoding="utf-8")
        return {}

    step = workspace.step("arrivals", produce, photographs=new)
    return ArrivalsRef(
        path=str(step.folder / "arrivals.json"),
        digest=step.digest,
        num_new=len(new),
        num_left_alone=len(set(digests.values()) & (set(left_alone) - seen)),
        conditions=conditions,
    )


@task(
    name="gather arrivals",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def gather_arrivals(
    terms: GatheringTerms,
    arrivals: ArrivalsRef,
    buffer: BufferRef | None,
    *,
    workspace: Workspace,
    report: Report = silent,
) -> CollectionRef:
    """Gathers arrivals as a collection is gathered; what was learnt before tells who the actor is.

    Consent to training is asked before, by the flow.

    Args:
        terms: What is asked of a photograph, and where they lie.
        arrivals: Which photographs.
        buffer: Holds those learnt before; None before the first increment.
        workspace: The actor's.
        report: Told of progress.

    Returns:
        The crops; there may be none.

    Raises:
        CollectionError: The table of ages says something odd.
        FaceError: No reference photograph shows a face.
        StorageError: The folder or bucket cannot be read.
    """
    known = None
    if buffer is not None:
        remembered = found_buffer(buffer)
        faces = remembered.kept.and_then(remembered.held_out)
        known = KnownFaces(
            names=tuple(map(str, faces.names)), embeddings=faces.embeddings, hashes=faces.hashes
        )
    loaded_prior(terms.prior)  # one load, before several photographs want it at once
    names = _photographs(arrivals)
    found = gathered(terms, workspace, report, among=names.keys(), known=known)
    return CollectionRef.of(found.crops, found.step.digest, found.summary, found.pages)


def refused_before(workspace: Workspace, conditions: str) -> set[str]:
    """Returns the digests of photographs that nights refused under these conditions."""
    known = workspace.recall(_REFUSED)
    return set(known["photographs"]) if known and known["conditions"] == conditions else set()


def remember_refusals(workspace: Workspace, arrivals: ArrivalsRef, gathered: CollectionRef) -> None:
    """Lets later nights pass over what this one refused, now that it has been reported."""
    document = json.loads((Path(gathered.report) / "report.json").read_text(encoding="utf-8"))
    digests = _photographs(arrivals)
    refused = {digests[row["name"]] for row in document["refused"] if row["name"] in digests}
    known = refused_before(workspace, arrivals.conditions) | refused
    workspace.remember(_REFUSED, {"conditions": arrivals.conditions, "photographs": sorted(known)})


def _photographs(arrivals: ArrivalsRef) -> dict[str, str]:
    found: dict[str, str] = json.loads(Path(arrivals.path).read_text("utf-8"))["photographs"]
    return found
