"""Delivers a shot that is already rendered: again, or to another destination."""

from pathlib import Path

from prefect import flow

from flows.consent import require_consent
from reage.delivery import DeliveryRef
from reage.errors import LedgerError
from reage.manifest import find_actor, load_actor, load_shot
from reage.provenance import AuditLog
from reage.workspace import Workspace
from tasks.delivery import deliver_package
from tasks.package_refs import PackageRef


@flow(name="deliver-shot", flow_run_name="deliver {manifest}", validate_parameters=False)
def deliver_shot(manifest: str, work: str = "work", destination: str | None = None) -> DeliveryRef:
    """Delivers the package that the last run of this manifest rendered.

    Args:
        manifest: Path of the shot manifest.
        work: Root of the work folders.
        destination: URI to deliver to instead of the manifest's.

    Raises:
        ConsentError: An actor's consent does not hold, or no longer.
        LedgerError: Nothing is rendered for this manifest as it stands.
        StorageError: The destination cannot be written.
    """
    shot = load_shot(Path(manifest))
    require_consent(shot, [load_actor(find_actor(manifest, a.actor)) for a in shot.actors])
    workspace = Workspace(work, shot.shot_id)
    package = PackageRef.recalled(workspace.recall("package"))
    if package is None:
        raise _undeliverable(manifest, "nothing rendered")
    if package.manifest_digest != shot.digest:
        raise _undeliverable(manifest, "a package of an older manifest")
    if workspace.ledger.find(package.digest) is None:
        raise _undeliverable(manifest, f"missing or changed files in {package.folder}")
    delivery = deliver_package(shot, package, workspace=workspace, destination=destination)
    facts = {"shot": shot.shot_id.prefix, "version": delivery.version, "manifest": shot.digest}
    sent = {"uri": delivery.uri, "index": delivery.index_sha256}
    AuditLog(Path(work) / "audit.jsonl").append({"event": "deliver", **sent, **facts})
    return delivery


def _undeliverable(manifest: str, got: str) -> LedgerError:
    return LedgerError(
        f"{manifest}: deliver: got {got}, expected the rendered shot; run `reage submit` first"
    )
