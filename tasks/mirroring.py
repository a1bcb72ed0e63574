"""Copying what a night published to where others read it."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.registry.mirror import mirror
from tasks.retries import may_pass


@task(
    name="mirror versions",
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def mirror_versions(actor: str, place: str) -> list[str]:
    """Copies an actor's versions and buffers that a place lacks; see `reage.registry.mirror`.

    Raises:
        RegistryError: The place has another version of the same name.
        StorageError: The place cannot be read or written.
    """
    return mirror(actor, place)
