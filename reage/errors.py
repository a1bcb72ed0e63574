"""The vocabulary of what can go wrong with shots, plates, faces, files and permissions.

Every message has the form `<place>: <what>: got <value>, expected <value>[; <cure>]`. Each leaf
also inherits the built-in that a caller would expect, so that either family can be caught.
"""


class ReageError(Exception):
    """Root of everything that Reage reports about its inputs."""


def in_words(error: Exception) -> str:
    """Returns an error's message; one that is not Reage's own is named before it."""
    return str(error) if isinstance(error, ReageError) else f"{type(error).__name__}: {error}"


class ManifestError(ReageError, ValueError):
    """A manifest says something impossible."""


class NamingError(ReageError, ValueError):
    """A name is unfit for a path or an S3 key."""


class FrameRangeError(ReageError, ValueError):
    """A frame range is empty, reversed or outside another."""


class PlateError(ReageError, ValueError):
    """A plate cannot be read as it is described."""


class PhotographError(ReageError, ValueError):
    """A photograph cannot be read."""


class CollectionError(ReageError, ValueError):
    """A collection of photographs says something impossible, or holds nothing to learn from."""


class ColourError(ReageError, ValueError):
    """A colourspace is unknown, or two images differ in theirs."""


class FaceError(ReageError, LookupError):
    """A face that a shot needs was not found or not told apart."""


class StorageError(ReageError, OSError):
    """A file or object could not be read or written."""


class VersionExistsError(StorageError, FileExistsError):
    """A published version would have been touched."""


class LedgerError(ReageError, ValueError):
    """The record of finished work is damaged."""


class RegistryError(ReageError, LookupError):
    """A prior or adapter is not registered, or is not the one expected."""


class TrainingError(ReageError, ArithmeticError):
    """A training did not converge."""


class ConsentError(ReageError, PermissionError):
    """The actor's consent record does not cover this use."""
