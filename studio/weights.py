"""`reage weights import | list | inspect | remove`: published weights, and the priors there are."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from reage.errors import RegistryError
from reage.manifest import load_actor
from reage.naming import check_name
from reage.registry.adapters import adapter_versions, adapters_made_for
from reage.registry.entry import (
    CARD,
    names_in,
    recorded_entry,
    remove_entry,
)
from reage.registry.faces3d import faces3d_made_for
from reage.registry.priors import find_prior, is_embedded, list_priors, registry_folder
from reage.registry.triplane_priors import (
    TriplanePriorRecord,
    find_triplane_prior,
    triplane_priors,
    triplane_priors_folder,
)
from reage.registry.weights import (
    KINDS,
    RIGHTS,
    WeightsRecord,
    built_on,
    find_weights,
    list_weights,
    locate_weights,
    weights_folder,
)
from studio.console import marked

app = typer.Typer(
    help="Brings published weights into the registry, and shows what is there.",
    no_args_is_help=True,
)
out = Console()

Name = Annotated[str, typer.Argument(help="As `reage weights list` shows it.")]
Face3D = Annotated[
    bool | None,
    typer.Option(
        "--face3d/--ageing",
        help="Of a name that both have: the 3D prior, or the ageing prior or imported weights.",
        show_default=False,
    ),
]

# Kinds of imported weights that are priors as they are.
_PRIOR_KINDS = {"sam": "prior", "eg3d": "3D prior"}


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="As published: .pt, .pth, .pkl or .safetensors.")],
    kind: Annotated[str, typer.Option("--as", help=f"One of: {', '.join(KINDS)}.")],
    name: Annotated[
        str | None, typer.Option(help="To register it under; the kind's own by default.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="The terms you hold the weights under; the known ones by default."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="For mytm: the SAM weights it was trained on.")
    ] = None,
    actor: Annotated[
        Path | None,
        typer.Option(help="For mytm: manifest of the actor whose adapter it is to be."),
    ] = None,
    alexnet: Annotated[Path | None, typer.Option(help="For lpips: AlexNet's file.")] = None,
    work: Annotated[
        Path, typer.Option(help="With --actor: root of the work folders, for the audit log.")
    ] = Path("work"),
) -> None:
    """Checks a published file and turns it into an entry of the registry; executes nothing in it.

    A sam entry is a prior at once: `prior: sam-ffhq1024` in a shot manifest.

    A mytm checkpoint with --actor is that actor's next adapter, if consent covers training.
    """
    if kind not in KINDS:
        raise RegistryError(f"--as: got {kind}, expected one of: {', '.join(KINDS)}")
    if actor is not None:
        if kind != "mytm" or name is not None:
            raise RegistryError(
                f"--actor: got it with --as {kind}{' and --name' if name else ''}, expected --as "
                "mytm without --name; an actor's adapters are numbered"
            )
        _import_adapter(file, actor, licence=licence, base=base, work=work)
        return
    from flows.import_weights import import_weights

    before = {record.name for record in list_weights()}
    with out.status(f"reading and checking {file.name}"):
        record = import_weights(file, kind, name=name, licence=licence, base=base, alexnet=alexnet)
    verb = "is there already, unchanged" if record.name in before else "imported"
    out.print(f"[bold]{record.name}[/bold] {verb}", soft_wrap=True)
    _say(record)


def _import_adapter(
    file: Path, manifest: Path, *, licence: str | None, base: str | None, work: Path
) -> None:
    from flows.import_weights import import_adapter

    before = adapter_versions(load_actor(manifest).actor)
    with out.status(f"reading and checking {file.name}"):
        record = import_adapter(file, manifest, licence=licence, base=base, work=work)
    verb = "is there already, unchanged" if record.version in before else "imported"
    out.print(f"[bold]{record.name}[/bold] {verb}", soft_wrap=True)
    facts = record.facts
    _rows(
        {
            "prior": f"{facts.prior_name}, sha256 {facts.prior_digest}",
            "terms": facts.licence,
            "consent": facts.consent_document,
            "sha256": record.digest,
            "card": str(record.folder / CARD),
        }
    )
    out.print(RIGHTS, style="dim")
    use = f"prior: {facts.prior_name}` and `adapter: {record.version}"
    out.print(f"  use it with `{use}` in a shot manifest", highlight=False)


@app.command("list")
def list_() -> None:
    """Shows the priors and the published weights that are there, with licence, digest and size."""
    table = Table("name", "kind", "size", "sha256", "licence", box=None, pad_edge=False)
    records = list_weights()
    published = {record.name for record in records}
    for name in list_priors():
        if name not in published:
            prior = find_prior(name)
            origin = "prior, embedded" if is_embedded(name) else "prior, trained"
            size = _megabytes(prior.weights.stat().st_size)
            table.add_row(name, origin, size, f"{prior.digest[:12]}…", prior.licence)
    for name in _priors3d():
        found = find_triplane_prior(name)
        size = _megabytes(found.weights.stat().st_size)
        table.add_row(name, _kind3d(found), size, f"{found.digest[:12]}…", found.licence)
    for record in records:
        kind = ", ".join(filter(None, (record.kind, _PRIOR_KINDS.get(record.kind))))
        size = _megabytes(record.num_bytes)
        table.add_row(record.name, kind, size, f"{record.digest[:12]}…", record.licence)
    out.print(table)


@app.command()
def inspect(name: Name, face3d: Face3D = None) -> None:
    """Reads weights through, checks them against their digests and shows what is known of them."""
    check_name(name, what="weights")
    if _is_prior3d(name, face3d):
        _say_prior3d(name)
        return
    if any(record.name == name for record in list_weights()):
        _say(find_weights(name))
    else:
        prior = find_prior(name)
        _rows({"folder": str(prior.folder), "sha256": prior.digest, "terms": prior.licence})
        _print_card(prior.card)
    if face3d is None and name in _priors3d():
        out.print(f"--face3d shows the 3D prior {name}", style="dim", highlight=False)


@app.command()
def remove(
    name: Name,
    face3d: Face3D = None,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even a prior that adapters are made for.")
    ] = False,
) -> None:
    """Removes a registered prior or imported weights; deliveries made with them stay.

    Adapters and 3D faces that are made for a prior stay, and are of no use until it is there again.
    """
    check_name(name, what="weights")
    if face3d is None and not is_embedded(name) and name in _priors3d() and _is_elsewhere(name):
        raise RegistryError(
            f"weights {name}: remove: got the name of a 3D prior and of other weights, expected "
            "one of them; --face3d means the 3D prior, --ageing the other"
        )
    folder = _removable_prior3d(name) if _is_prior3d(name, face3d) else _removable(name)
    adapters = _adapters_on(folder, name)
    if adapters and not force:
        raise RegistryError(
            f"weights {name}: remove: got a prior that adapters are made for "
            f"({', '.join(adapters)}), expected one that nothing needs; --force removes it all the "
            "same, and they are of no use without it"
        )
    if not yes:
        size = sum(path.stat().st_size for path in folder.iterdir())
        question = f"Remove {name} ({_megabytes(size)})? It can be imported or trained again"
        if adapters:
            question = f"Adapters made for it: {', '.join(adapters)}. {question}"
        typer.confirm(question, abort=True)
    remove_entry(folder)
    out.print(f"[bold]{name}[/bold] removed")


def _removable(name: str) -> Path:
    """Returns the folder of an entry that no other entry of weights builds on."""
    if is_embedded(name):
        raise RegistryError(
            f"weights {name}: remove: got the embedded prior, expected a registered one; "
            "Reage's defaults need it"
        )
    folder = locate_weights(name)
    if folder is None:
        if name not in list_priors():
            find_weights(name)  # says which there are
        return registry_folder() / name
    needed_by = built_on(name)
    if needed_by:
        raise RegistryError(
            f"weights {name}: remove: got weights that {', '.join(needed_by)} builds on, expected "
            "ones that nothing needs; remove those first"
        )
    return folder


def _removable_prior3d(name: str) -> Path:
    folder = triplane_priors_folder() / name
    if not folder.is_dir():
        raise RegistryError(
            f"3D prior {name}: remove: got the embedded one, expected a registered one; "
            "Reage's defaults need it"
        )
    return folder


def _kind3d(record: TriplanePriorRecord) -> str:
    is_trained = record.folder.parent == triplane_priors_folder()
    return f"3D prior, {'trained' if is_trained else 'embedded'}"


def _priors3d() -> list[str]:
    """Names Reage's 3D prior and the studio's; an imported EG3D is among the weights."""
    imported = set(names_in(weights_folder("eg3d"))) - set(names_in(triplane_priors_folder()))
    return [name for name in triplane_priors() if name not in imported]


def _is_elsewhere(name: str) -> bool:
    """Tells whether an ageing prior or imported weights have this name."""
    return name in list_priors() or locate_weights(name) is not None


def _is_prior3d(name: str, asked: bool | None) -> bool:
    """Tells whether a name means a 3D prior: because nothing else has it, or as was asked."""
    if name in _priors3d():
        return not _is_elsewhere(name) if asked is None else asked
    if asked:
        find_triplane_prior(name)  # says which there are
    return False


def _adapters_on(folder: Path, name: str) -> list[str]:
    """Names the adapters and 3D faces made for an entry; none where it is too damaged for use."""
    with suppress(RegistryError):
        digest = recorded_entry(folder, place=f"weights {name}").digest
        faces = [f"{name} in 3D" for name in faces3d_made_for(digest)]
        return adapters_made_for(digest) + faces
    return []


def _say(record: WeightsRecord) -> None:
    _rows(
        {
            "kind": record.kind,
            "terms": record.licence,
            "from": f"{record.source}, sha256 {record.source_digest}",
            "sha256": record.digest,
            "size": _megabytes(record.num_bytes),
            "registered": record.registered,
            "builds on": record.base_digest,
            "card": str(record.folder / CARD),
        }
    )
    out.print(RIGHTS, style="dim")


def _say_prior3d(name: str) -> None:
    record = find_triplane_prior(name)
    _rows(
        {
            "kind": _kind3d(record),
            "folder": str(record.folder),
            "sha256": record.digest,
            "directions": record.directions_digest,
            "terms": record.licence,
            "size": _megabytes(record.weights.stat().st_size),
        }
    )
    _print_card(record.folder / CARD)


def _print_card(path: Path) -> None:
    out.print(f"\n{path.read_text(encoding='utf-8')}", markup=False, highlight=False)


def _rows(facts: dict[str, str]) -> None:
    for label, value in facts.items():
        if value:
            out.print(marked(f"  {label:<11}", "bold", value), soft_wrap=True)


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB"
