"""From a folder or an S3 prefix of an actor's photographs to what an adapter is trained on.

Each photograph is looked at once: its faces, measured, aligned and embedded, are a step of its own
under the photograph's digest. Adding five to five hundred costs five detections. Who the actor is,
which photographs are alike and what is accepted is worked out anew from these every time, as it
depends on all of them, and takes a moment.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.collection.ages import (
    TABLE_NAME,
    CollectionTable,
    DatedPhoto,
    Refusal,
    dated_photo,
    files_under,
    is_hidden,
    is_wanted,
    photos_among,
    read_table,
    strangers_among,
    table_key,
)
from reage.collection.page import write_collection_page
from reage.collection.portrait_measures import PortraitLimits
from reage.collection.report import (
    FEW_PHOTOGRAPHS,
    AcceptedPhoto,
    CollectionReport,
    RefusedPhoto,
)
from reage.collection.selection import SeenPhoto, SelectedPhoto, Selection, select_photos
from reage.collection.sheet import compose_collection_sheet
from reage.errors import CollectionError
from reage.storage import file_digest
from reage.workspace import Step, Workspace
from tasks.fetching import fetched_folder, local_path
from tasks.gpu import loaded_prior
from tasks.portraits import SeenFaces, look_at_all, reference_embedding
from tasks.refs import CollectionRef, PriorRef
from tasks.retries import may_pass

Report = Callable[[str, int, int], None]


def _silent(stage: str, done: int, total: int) -> None:
    """Reports to nobody."""


@dataclass(frozen=True, eq=False)
class _Gathered:
    """What is known of a collection before anything is chosen."""

    entries: tuple[DatedPhoto, ...]
    faces: dict[str, SeenFaces]  # by the digest of the photograph
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]


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
    report: Report = _silent,
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
    asked = limits or PortraitLimits()
    gathered = _gather(place, prior, birth_date, workspace, report)
    seen = [
        SeenPhoto(
            name=entry.photo.name,
            statements=entry.statements,
            measures=faces.measures,
            embeddings=faces.embeddings,
            hashes=faces.hashes,
            apparent_ages=faces.apparent_ages,
        )
        for entry in gathered.entries
        if (faces := gathered.faces[entry.digest]).measures
    ]
    reference = _reference(references, prior, workspace)
    selection = select_photos(seen, limits=asked, reference=reference)
    step = _collection_step(selection, gathered, prior, workspace)
    summary = _summary(
        selection,
        gathered,
        actor=actor,
        place=place,
        prior=prior.name,
        chosen_by="consensus" if reference is None else f"{len(references)} reference(s)",
        limits=asked,
    )
    pages = _report_step(summary, step.digest, workspace)
    _check_enough(place, summary, pages.folder)
    ages = [item.label.age for item in selection.accepted]
    return CollectionRef(
        path=str(step.folder / "collection.npz"),
        digest=step.digest,
        num_photos=len(ages),
        min_age=min(ages),
        max_age=max(ages),
        num_refused=len(summary.refused),
        report=str(pages.folder),
    )


def _gather(
    place: str,
    prior: PriorRef,
    birth_date: date | None,
    workspace: Workspace,
    report: Report,
) -> _Gathered:
    """Finds the photographs, dates them and looks at those that may be learnt from."""
    files = _files(place, workspace, report)
    refused = strangers_among(files)
    table = CollectionTable({}, frozenset())
    if (table_path := files.get(TABLE_NAME)) is not None:
        table = read_table(table_path)
    photos = photos_among({name: path for name, path in files.items() if path is not None})
    spoken_of = {table_key(photo.name, table) for photo in photos}
    warnings = [
        f"{TABLE_NAME}: file: got {name}, which is not in the collection"
        for name in sorted(table.names - spoken_of)
    ]
    entries: dict[str, DatedPhoto] = {}
    for photo in photos:
        found = dated_photo(photo, table=table, birth_date=birth_date)
        if isinstance(found, Refusal):
            refused.append(found)
        elif (twin := entries.get(found.digest)) is not None:
            detail = f"got the same file as {twin.photo.name}"
            refused.append(Refusal(photo.name, "near-duplicate", detail))
        else:
            entries[found.digest] = found
    faces, unreadable = look_at_all(list(entries.values()), prior, workspace, report)
    refused += unreadable
    readable = tuple(entry for entry in entries.values() if entry.digest in faces)
    refused += [
        Refusal(entry.photo.name, "no face", "got no face, expected the actor's")
        for entry in readable
        if not faces[entry.digest].measures
    ]
    return _Gathered(readable, faces, tuple(refused), tuple(warnings))


def _files(place: str, workspace: Workspace, report: Report) -> dict[str, Path | None]:
    """Returns every file of the collection by its name, None for one that was left on S3."""
    if not place.startswith("s3://"):
        return dict(files_under(Path(local_path(place, workspace))))
    fetched = fetched_folder(
        place,
        workspace,
        is_wanted=lambda name: is_wanted(name) and not is_hidden(name),
        report=report,
    )
    return {name: path for name, path in fetched.items() if not is_hidden(name)}


def _reference(
    references: Sequence[str], prior: PriorRef, workspace: Workspace
) -> NDArray[np.float32] | None:
    if not references:
        return None
    paths = [local_path(place, workspace) for place in references]

    def produce(folder: Path) -> dict[str, Any]:
        np.save(folder / "embedding.npy", reference_embedding(paths, loaded_prior(prior)))
        return {}

    step = workspace.step(
        "reference",
        produce,
        references=[file_digest(Path(path)) for path in paths],
        prior=prior.content,
        alignment=loaded_prior(prior).alignment,
    )
    return np.asarray(np.load(step.folder / "embedding.npy"))


def _collection_step(
    selection: Selection, gathered: _Gathered, prior: PriorRef, workspace: Workspace
) -> Step:
    digests = {entry.photo.name: entry.digest for entry in gathered.entries}
    accepted = selection.accepted

    def produce(folder: Path) -> dict[str, Any]:
        crops = [_picture(gathered, digests, item, "crops") for item in accepted]
        chosen = [item.photo.embeddings[item.face] for item in accepted]
        with (folder / "collection.npz").open("wb") as file:
            np.savez(
                file,
                crops=np.array(crops, np.uint8),
                ages=np.array([item.label.age for item in accepted], np.float32),
                age_sources=np.array([item.label.source for item in accepted], np.str_),
                names=np.array([item.photo.name for item in accepted], np.str_),
                embeddings=np.array(chosen, np.float32),
                sharpness=np.array([item.measures.sharpness for item in accepted], np.float32),
            )
        return {"num_photos": len(accepted)}

    return workspace.step(
        "collection",
        produce,
        photographs=[
            (digests[item.photo.name], item.photo.name, item.face, item.label) for item in accepted
        ],
        prior=prior.content,
        alignment=loaded_prior(prior).alignment,
    )


def _picture(
    gathered: _Gathered, digests: dict[str, str], item: SelectedPhoto, kind: str
) -> NDArray[np.uint8]:
    return gathered.faces[digests[item.photo.name]].picture(kind, item.face)


def _summary(selection: Selection, gathered: _Gathered, **header: Any) -> CollectionReport:
    digests = {entry.photo.name: entry.digest for entry in gathered.entries}
    refused = [*gathered.refused, *selection.refused]
    warnings = [*gathered.warnings, *selection.warnings]
    if len(selection.accepted) < FEW_PHOTOGRAPHS:
        warnings.insert(
            0,
            f"{header['place']}: photographs: got {len(selection.accepted)} fit to learn from, "
            f"expected at least {FEW_PHOTOGRAPHS}; 50 are the norm",
        )
    return CollectionReport(
        accepted=tuple(
            AcceptedPhoto(
                name=item.photo.name,
                age=item.label.age,
                age_source=item.label.source,
                apparent_age=item.apparent_age,
                similarity=item.similarity,
                measures=item.measures,
                preview=_picture(gathered, digests, item, "previews"),
            )
            for item in selection.accepted
        ),
        refused=tuple(
            RefusedPhoto(
                refusal=refusal,
                thumbnail=gathered.faces[digests[refusal.name]].thumbnail()
                if refusal.name in digests
                else None,
            )
            for refusal in sorted(refused, key=lambda r: (r.reason, r.name))
        ),
        warnings=tuple(warnings),
        **header,
    )


def _report_step(summary: CollectionReport, collection: str, workspace: Workspace) -> Step:
    document = summary.document()

    def produce(folder: Path) -> dict[str, Any]:
        sheet = compose_collection_sheet(
            summary.accepted, title=f"{summary.actor}  collection", subtitle=summary.headline
        )
        PillowImage.fromarray(sheet).save(folder / "sheet.png")
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        write_collection_page(summary, folder / "report.html")
        return {}

    return workspace.step(
        "collection_report", produce, collection=collection, document=json.dumps(document)
    )


def _check_enough(place: str, summary: CollectionReport, folder: Path) -> None:
    if summary.accepted:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.reasons().items())
    raise CollectionError(
        f"{place}: photographs: got none fit to learn from ({reasons or 'no photograph at all'}), "
        f"expected at least {FEW_PHOTOGRAPHS}; see {folder / 'report.html'}"
    )
