"""Shape checks for the public doors of networks.

Knows nothing of any network. A check names the argument, what came and what was expected.

Shapes: letters are the module's legend, for example B batch, L style layers, D latent size.
"""

from torch import Tensor


class ShapeError(ValueError):
    """A tensor's shape is not the one its network was built for."""


def check_shape(name: str, tensor: Tensor, layout: str, **sizes: int) -> None:
    """Checks a tensor's rank and the sizes that are known.

    Args:
        name: The argument's name, for the message.
        tensor: Any dtype and device.
        layout: One letter per dimension, separated by spaces, for example "B L D". A letter
            that occurs twice must have the same size both times.
        **sizes: Expected size by letter; a letter without a size may have any.

    Raises:
        ShapeError: The rank or a size differs.
        KeyError: `sizes` names a letter that `layout` does not have.
    """
    letters = layout.split()
    unknown = sorted(set(sizes) - set(letters))
    if unknown:
        raise KeyError(f"check_shape: sizes: got {unknown}, expected letters of {layout!r}")
    shape = tuple(tensor.shape)
    bound = dict(sizes)
    fits = len(shape) == len(letters) and all(
        bound.setdefault(letter, size) == size for letter, size in zip(letters, shape, strict=True)
    )
    if not fits:
        expected = ", ".join(str(sizes.get(letter, letter)) for letter in letters)
        raise ShapeError(f"{name}: got shape {shape}, expected ({expected})")
