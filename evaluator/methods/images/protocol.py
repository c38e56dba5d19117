"""What an image method must offer. Nothing needs to be imported from here: any class of this shape will do.

Optional: `encode_queries` with the arguments of `encode`, for methods that treat queries otherwise; `encode_each(images,
sets)`, a list of what `encode` gives for each of several sets of conditions, where it is cheaper together; `dimension`, the
number k of columns, which is else found by encoding one small picture; `shrink(image)`, a smaller picture that stands for
a large one: pictures are then decoded a few at a time and encoded in whole batches. Without it, `encode` gets fewer at a
time where they are large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from clay_eval.schemas.errors import InputError

from ...vectors.arrays import FloatArray

if TYPE_CHECKING:
    from PIL.Image import Image

Fact = str | int | float | bool
ASPECT = "{aspect}"


@runtime_checkable
class ImageMethod(Protocol):
    """Pictures and conditions in, vectors for these conditions out; similarity is the cosine of the latter.

    A row depends on its own picture and the conditions only, whatever is encoded beside it.
    """

    @property
    def identity(self) -> Mapping[str, Fact]:
        """What the vectors depend on beside pictures and conditions: the model's name and digest, the prompt, ..."""
        ...

    def encode(self, images: Sequence[Image], conditions: Sequence[str]) -> FloatArray:
        """(M, k) vectors of M RGB pictures (M may be 0) for one set of conditions, such as ["color", "category"]."""
        ...


def aspect(conditions: Sequence[str]) -> str:
    """Conditions as words: "color", "color and category", "age, action and background"; an underscore is a space.

    Raises InputError if there is none.
    """
    words = [" ".join(condition.replace("_", " ").split()) for condition in conditions]
    if not words or not all(words):
        raise InputError(
            "there is no condition to encode for", expected="one or more names", found=conditions
        )
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def instruction_for(template: str, conditions: Sequence[str]) -> str:
    """`template` with the conditions' words in place of {aspect}."""
    return template.replace(ASPECT, aspect(conditions))


def check_template(template: str) -> str:
    """`template`; raises InputError unless it has a place for the conditions."""
    if ASPECT not in template:
        raise InputError(
            "the instruction does not say where the conditions go",
            where="instruction",
            expected=f"{ASPECT} in it, as in 'What is the {ASPECT} of this image?'",
            found=repr(template),
        )
    return template


def check_fact(value: Any) -> bool:
    """Whether `value` may stand in an identity."""
    return isinstance(value, str | int | float | bool)
