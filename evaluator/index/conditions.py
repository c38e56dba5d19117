"""A condition as an index takes it: its encoded texts, and the value that each names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..retrieval.study import TextFeatures
from ..vectors.arrays import FloatArray, as_features

NO_ENCODER = (
    "encode the condition's texts with the encoder of the pictures: clay-eval evaluate --write-texts FILE lists the texts "
    "that are needed"
)


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition: name, the vectors (n, d) of its texts, by the encoder of the pictures, and what they say.

    values: the value that each text names, for methods and explanations that go by values; texts: the words themselves,
    which nothing here reads.
    """

    name: str
    features: npt.ArrayLike
    values: Sequence[str] | None = None
    texts: Sequence[str] | None = None

    def checked(self, width: int) -> TextFeatures:
        """Return the texts' vectors (n, width) with their values.

        Raises InputError for a condition without a name, NaN, rows of zeros, another width, another number of values or
        texts than of vectors, and values that are all the same.
        """
        where = f"condition {self.name!r}"
        if not self.name:
            raise InputError("a condition has no name", where="condition", expected="a name", found=repr(""))
        features: FloatArray = as_features(self.features, f"text features of {self.name!r}")
        if features.shape[1] != width:
            raise InputError(
                "texts and pictures have vectors of different widths",
                where=where,
                expected=f"{width} columns, as the pictures have",
                found=f"{features.shape[1]} columns",
                hint=NO_ENCODER,
            )
        for what, given in (("values", self.values), ("texts", self.texts)):
            if given is not None and len(given) != len(features):
                raise InputError(
                    f"vectors of texts and {what} differ in number",
                    where=where,
                    expected=f"{len(features)} {what}",
                    found=len(given),
                )
        if self.values is not None and len(set(self.values)) < 2:
            raise InputError(
                "a condition of a single value tells no pictures apart",
                where=where,
                expected="texts of two values or more, such as red and green of color",
                found=f"only {self.values[0]!r}",
                hint="add texts of the values that it is to be told from",
            )
        return TextFeatures(features, None, None if self.values is None else [*map(str, self.values)])
