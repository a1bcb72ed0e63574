"""From a folder or an S3 prefix of an actor's photographs to crops, measured, chosen and reported.

Holds no task: it is what the gathering of a whole collection and that of a night's arrivals share.

Each photograph is looked at once: its faces, measured, aligned and embedded, are a step of its own
under the photograph's digest. Adding five to five hundred costs five detections. Who the actor is,
which photographs are alike and what is accepted is worked out anew from these every time, as it
depends on all of them, and takes a moment.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

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
from reage.collection.selection import (
    KnownFaces,
    SeenPhoto,
    SelectedPhoto,
    Selection,
    select_photos,
)
from reage.collection.sheet import compose_collection_sheet
from reage.storage import file_digest
from reage.workspace import Step, Workspace
from tasks.fetching import fetched_folder, local_path
from tasks.gpu import loaded_prior
from tasks.portraits import SeenFaces, look_at_all, reference_embedding
from tasks.refs import PriorRef

Report = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Reports to nobody."""


@dataclass(frozen=True, kw_only=True)
class GatheringTerms:
    """What is asked when photographs are gathered.

    Attributes:
        place: Folder, `file:///folder` or `s3://bucket/prefix`; see `reage.collection.ages`.
        prior: In whose alignment the crops are made, and which tells likeness and age.
        actor: Whose photographs they are, for the report.
        references: Places of photographs of the actor alone, which tell the actor from others.
        birth_date: By which photographs are dated.
        limits: What is asked of a photograph.
    """

    place: str
    prior: PriorRef
    actor: str
    references: tuple[str, ...] = ()
    birth_date: date | None = None
    limits: PortraitLimits = field(default_factory=PortraitLimits)


@dataclass(frozen=True, eq=False)
class Gathered:
    """What came of it: the step that holds the crops, the summary, and the folder of its pages."""

    step: Step
    summary: CollectionReport
    pages: Path

    @property
    def crops(self) -> Path:
        """The .npz file that `CollectionRef` describes."""
        return self.step.folder / "collection.npz"


def gathered(
    terms: GatheringTerms,
    workspace: Workspace,
    report: Report = silent,
    *,
    among: Collection[str] | None = None,
    known: KnownFaces | None = None,
) -> Gathered:
    """Finds, dates, looks at and chooses photographs, and writes crops and reports.

    Args:
        terms: What is asked.
        workspace: Where copies, crops and reports are kept: the actor's.
        report: Told of progress: stage, done, total.
        among: Names of the photographs that count; all where it is None.
        known: Faces of the actor that were learnt before; they tell the actor from others where
            there are no references, and a further print of one of them is refused.
    """
    found = _looked_at(terms, workspace, report, among)
    seen = [
        SeenPhoto(
            name=entry.photo.name,
            statements=entry.statements,
            measures=faces.measures,
            embeddings=faces.embeddings,
            hashes=faces.hashes,
            apparent_ages=faces.apparent_ages,
        )
        for entry in found.entries
        if (faces := found.faces[entry.digest]).measures
    ]
    reference = _reference(terms.references, terms.prior, workspace)
    selection = select_photos(seen, limits=terms.limits, reference=reference, known=known)
    step = _collection_step(selection, found, terms.prior, workspace)
    chosen_by = "consensus"
    if reference is not None:
        chosen_by = f"{len(terms.references)} reference(s)"
    elif known is not None:
        chosen_by = f"{len(known.names)} photographs learnt before"
    summary = _summary(
        selection,
        found,
        actor=terms.actor,
        place=terms.place,
        prior=terms.prior.name,
        chosen_by=chosen_by,
        limits=terms.limits,
        is_whole=among is None,
    )
    pages = _report_step(summary, step.digest, workspace)
    return Gathered(step, summary, pages.folder)


@dataclass(frozen=True, eq=False)
class _LookedAt:
    """What is known of a collection before anything is chosen."""

    entries: tuple[DatedPhoto, ...]
    faces: dict[str, SeenFaces]  # by the digest of the photograph
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]


def _looked_at(
    terms: GatheringTerms, workspace: Workspace, report: Report, among: Collection[str] | None
) -> _LookedAt:
    """Finds the photographs, dates them and looks at those that may be learnt from."""
    files = found_files(terms.place, workspace, report)
    if among is not None:
        files = {name: path for name, path in files.items() if name in {*among, TABLE_NAME}}
    refused = strangers_among(files)
    table = CollectionTable({}, frozenset())
    if (table_path := files.get(TABLE_NAME)) is not None:
        table = read_table(table_path)
    photos = photos_among({name: path for name, path in files.items() if path is not None})
    spoken_of = {table_key(photo.name, table) for photo in photos}
    warnings = [
        f"{TABLE_NAME}: file: got {name}, which is not in the collection"
        for name in sorted(table.names - spoken_of)
        if among is None
    ]
    entries: dict[str, DatedPhoto] = {}
    for photo in photos:
        found = dated_photo(photo, table=table, birth_date=terms.birth_date)
        if isinstance(found, Refusal):
            refused.append(found)
        elif (twin := entries.get(found.digest)) is not None:
            detail = f"got the same file as {twin.photo.name}"
            refused.append(Refusal(photo.name, "near-duplicate", detail))
        else:
            entries[found.digest] = found
    faces, unreadable = look_at_all(list(entries.values()), terms.prior, workspace, report)
    refused += unreadable
    readable = tuple(entry for entry in entries.values() if entry.digest in faces)
    refused += [
        Refusal(entry.photo.name, "no face", "got no face, expected the actor's")
        for entry in readable
        if not faces[entry.digest].measures
    ]
    return _LookedAt(readable, faces, tuple(refused), tuple(warnings))


def found_files(place: str, workspace: Workspace, report: Report) -> dict[str, Path | None]:
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
    selection: Selection, found: _LookedAt, prior: PriorRef, workspace: Workspace
) -> Step:
    digests = {entry.photo.name: entry.digest for entry in found.entries}
    accepted = selection.accepted

    def produce(folder: Path) -> dict[str, Any]:
        crops = [_picture(found, digests, item, "crops") for item in accepted]
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
                hashes=np.array([item.photo.hashes[item.face] for item in accepted], bool),
                photographs=np.array([digests[item.photo.name] for item in accepted], np.str_),
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
    found: _LookedAt, digests: dict[str, str], item: SelectedPhoto, kind: str
) -> NDArray[np.uint8]:
    return found.faces[digests[item.photo.name]].picture(kind, item.face)


def _summary(
    selection: Selection, found: _LookedAt, *, is_whole: bool, **header: Any
) -> CollectionReport:
    digests = {entry.photo.name: entry.digest for entry in found.entries}
    refused = [*found.refused, *selection.refused]
    warnings = [*found.warnings, *selection.warnings]
    if is_whole and len(selection.accepted) < FEW_PHOTOGRAPHS:
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
                preview=_picture(found, digests, item, "previews"),
            )
            for item in selection.accepted
        ),
        refused=tuple(
            RefusedPhoto(
                refusal=refusal,
                thumbnail=found.faces[digests[refusal.name]].thumbnail()
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
        thumbnails = {
            str(number): photo.thumbnail
            for number, photo in enumerate(summary.refused)
            if photo.thumbnail is not None
        }
        with (folder / "refused.npz").open("wb") as file:
            np.savez(file, **thumbnails)
        return {}

    return workspace.step(
        "collection_report", produce, collection=collection, document=json.dumps(document)
    )
