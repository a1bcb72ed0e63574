"""Re-ages every shot of a folder of manifests; one shot's failure does not stop the others.

Deployed with a schedule, it brings every manifest up to date each night: shots whose inputs have
not changed are found in the ledger and keep the version they have.
"""

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact

from flows.reage_shot import DEFAULT_CHUNK, reage_shot
from reage.errors import ReageError, in_words
from reage.manifest import load_shots


@flow(name="reage-sequence", flow_run_name="reage {folder}", validate_parameters=False)
def reage_sequence(
    folder: str, work: str = "work", chunk: int = DEFAULT_CHUNK
) -> list[dict[str, str]]:
    """Re-ages all shots under `folder`.

    Args:
        folder: Folder of shot manifests, searched recursively.
        work: Root of the work folders.
        chunk: Frames a task handles at once.

    Returns:
        One row per shot: `shot`, `outcome` (`delivered` or `failed`), `detail`.

    Raises:
        ManifestError: A manifest is broken; nothing is rendered then.
        ReageError: Some shots failed; the message lists them, the others are delivered.
    """
    logger = get_run_logger()
    shots = load_shots(folder)
    rows = []
    for shot in shots:
        try:
            delivery = reage_shot(str(shot.path), work=work, chunk=chunk)
            row = {"shot": shot.shot_id.code, "outcome": "delivered", "detail": delivery.uri}
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            said = in_words(error)
            logger.error("%s", said)
            row = {"shot": shot.shot_id.code, "outcome": "failed", "detail": said}
        rows.append(row)
    create_table_artifact(key="reage-sequence", table=rows, description="what became of each shot")
    failed = [row for row in rows if row["outcome"] == "failed"]
    if failed:
        listed = "\n".join(f"{row['shot']}: {row['detail']}" for row in failed)
        raise ReageError(f"{folder}: {len(failed)} of {len(rows)} shots failed\n{listed}")
    return rows
