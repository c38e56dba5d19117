"""GeneCIS's combiner: a small trained network joins an image and a condition's name (Vaze et al., CVPR 2023, 2306.07969).

With image feature v, text feature t, both of width d, and relu as r:

    a = r(W_t t + b_t),  b = r(W_v v + b_v),  x = [a; b]
    g = sigmoid(w_2 . r(W_1 x + b_1) + b_2)
    out = N(W_o r(W_c x + b_c) + b_o + g t + (1 - g) v)

N normalises; the network is that of Baldrati et al. (CVPR 2022). The combined vector is the query; the database stays as it
is ("asymmetric", GeneCIS's own use), or is combined too ("symmetric"). t is the normalised mean of the encoded names of the
conditions.

The weights are a .safetensors file with the names of the published checkpoint; a leading `module.` is dropped:

| tensor | above | shape |
|---|---|---|
| text_projection_layer.weight, .bias | W_t, b_t | (p, d), (p,) |
| image_projection_layer.weight, .bias | W_v, b_v | (p, d), (p,) |
| combiner_layer.weight, .bias | W_c, b_c | (h, 2p), (h,) |
| output_layer.weight, .bias | W_o, b_o | (d, h), (d,) |
| dynamic_scalar.0.weight, .bias | W_1, b_1 | (h, 2p), (h,) |
| dynamic_scalar.3.weight, .bias | w_2, b_2 | (1, h), (1,) |

The published checkpoint is a pickle, which is not read here: convert it elsewhere with safetensors.torch.save_file.

The original was trained on features before normalisation and with a fine-tuned CLIP, while features here have length 1: give
the mean lengths that this CLIP's features have as image_norm and text_norm, and embed the images with that CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256

from ..vectors import subspace
from ..vectors.arrays import (
    Float64Array,
    FloatArray,
    as_features,
    as_floats,
    require_finite,
    require_width,
    unit_rows,
)
from .support.linear import not_fitted

MODES = ("asymmetric", "symmetric")
_BLOCK_ROWS = 1024
_SHAPES = {
    "text_projection_layer": ("p", "d"),
    "image_projection_layer": ("p", "d"),
    "combiner_layer": ("h", "x"),
    "output_layer": ("d", "h"),
    "dynamic_scalar.0": ("h", "x"),
    "dynamic_scalar.3": ("1", "h"),
}


class GeneCISCombiner:
    """The combiner as a feature method.

    weights: the .safetensors file above. mode: "asymmetric" or "symmetric". image_norm, text_norm: the lengths that unit
    features are given before they enter. Fitted: text_ (d,), float64, and weights_sha256_.
    """

    needs_file = True
    uses_texts = False
    text_: Float64Array
    weights_sha256_: str

    def __init__(
        self,
        weights: str,
        mode: Literal["asymmetric", "symmetric"] = "asymmetric",
        image_norm: float = 1.0,
        text_norm: float = 1.0,
    ) -> None:
        if mode not in MODES:
            raise InputError("unknown mode of the combiner", where="mode", expected=MODES, found=repr(mode))
        for name, value in (("image_norm", image_norm), ("text_norm", text_norm)):
            if not np.isfinite(value) or value <= 0:
                raise InputError("a length is a positive number", where=name, found=value)
        self.weights = str(weights)
        self.mode = mode
        self.image_norm = float(image_norm)
        self.text_norm = float(text_norm)
        self._cast: dict[npt.DTypeLike, Mapping[str, FloatArray]] = {}

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        condition_features: npt.ArrayLike,
    ) -> Self:
        """Read the weights and keep the mean of `condition_features` (c, d); texts (n, d) and images (N, d) teach nothing.

        Raises InputError for weights that cannot be read or do not fit the features' width, NaN, infinity, rows of zeros,
        and names that cancel each other; IntegrityError for damaged weights.
        """
        width = as_features(database_features, "database features").shape[1]
        names = as_features(condition_features, "condition features", width=width)
        tensors = read_combiner(Path(self.weights).expanduser())
        found = tensors["output_layer.bias"].shape[0]
        if found != width:
            raise InputError(
                "the combiner was trained for features of another width",
                where=self.weights,
                expected=f"{width}, as the features have",
                found=found,
                hint="embed the images with the CLIP that it was trained on",
            )
        self.text_ = subspace.mean_direction(names, "condition features")
        self.weights_sha256_ = file_sha256(Path(self.weights).expanduser())
        self._cast = {np.dtype(np.float64): tensors}
        return self

    def transform(self, features: npt.ArrayLike) -> FloatArray:
        """Unit rows (M, d) of database images (M, d): as they are, or combined if symmetric; zeros stay zeros.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        rows = self._checked(features)
        return self._combine(rows) if self.mode == "symmetric" else unit_rows(rows)

    def transform_queries(self, features: npt.ArrayLike) -> FloatArray:
        """Unit rows (M, d) of combined queries (M, d), in their own float type; raises as `transform` does."""
        return self._combine(self._checked(features))

    def _checked(self, features: npt.ArrayLike) -> FloatArray:
        if not hasattr(self, "text_"):
            raise not_fitted(self)
        rows = as_floats(features, "features")
        require_width(rows, "features", len(self.text_))
        require_finite(rows, "features")
        return rows

    def _combine(self, rows: FloatArray) -> FloatArray:
        dtype = rows.dtype
        if dtype not in self._cast:
            self._cast[dtype] = {k: v.astype(dtype) for k, v in self._cast[np.dtype(np.float64)].items()}
        text = (self.text_ * self.text_norm).astype(dtype)
        out = np.empty_like(rows)
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = unit_rows(rows[start : start + _BLOCK_ROWS])
            out[start : start + len(block)] = combine(
                block * dtype.type(self.image_norm), text, self._cast[dtype]
            )
        return unit_rows(out)


def combine(images: FloatArray, text: FloatArray, tensors: Mapping[str, FloatArray]) -> FloatArray:
    """The formula above before N: images v (M, d) and one text t (d,) to (M, d), in the float type of `images`."""

    def layer(name: str, inputs: FloatArray) -> FloatArray:
        outputs: FloatArray = inputs @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
        return outputs

    of_text = np.broadcast_to(np.maximum(layer("text_projection_layer", text), 0), (len(images), _p(tensors)))
    joint = np.hstack([of_text, np.maximum(layer("image_projection_layer", images), 0)])
    opened = layer("dynamic_scalar.3", np.maximum(layer("dynamic_scalar.0", joint), 0))
    gate = np.exp(-np.logaddexp(0, -opened))
    added = layer("output_layer", np.maximum(layer("combiner_layer", joint), 0))
    combined: FloatArray = added + gate * text + (1 - gate) * images
    return combined


def _p(tensors: Mapping[str, FloatArray]) -> int:
    return int(tensors["text_projection_layer.bias"].shape[0])


def read_combiner(path: Path) -> dict[str, Float64Array]:
    """The combiner's tensors in float64, with checked shapes; raises InputError, and IntegrityError for damage."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if path.suffix != ".safetensors":
        raise InputError(
            "weights must be safetensors: other formats can run code when they are loaded",
            where=path,
            expected="a .safetensors file",
            hint="convert them with safetensors.torch.save_file",
        )
    if not path.is_file():
        raise InputError("no such file of weights", where=path)
    try:
        stored = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError("the combiner's weights are damaged", where=path, found=error) from error
    named = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
    wanted = [f"{layer}.{part}" for layer in _SHAPES for part in ("weight", "bias")]
    if missing := [name for name in wanted if name not in named]:
        raise InputError(
            "not the weights of a combiner", where=path, expected=wanted, found=f"without {missing}"
        )
    tensors = {name: np.asarray(named[name], dtype=np.float64) for name in wanted}
    _check_shapes(path, tensors)
    for name, tensor in tensors.items():
        require_finite(np.atleast_2d(tensor), f"{path}: {name}")
    return tensors


def _check_shapes(path: Path, tensors: Mapping[str, Any]) -> None:
    flat = {name: tensor.shape for name, tensor in tensors.items()}
    if len(flat["text_projection_layer.weight"]) != 2 or len(flat["combiner_layer.bias"]) != 1:
        raise InputError("the combiner's weights have other shapes", where=path, found=flat)
    p, d = flat["text_projection_layer.weight"]
    sizes = {"p": p, "d": d, "h": flat["combiner_layer.bias"][0], "x": 2 * p, "1": 1}
    for layer, (rows, columns) in _SHAPES.items():
        expected = {f"{layer}.weight": (sizes[rows], sizes[columns]), f"{layer}.bias": (sizes[rows],)}
        for name, shape in expected.items():
            if flat[name] != shape:
                raise InputError(
                    "the combiner's weights do not fit together",
                    where=f"{path}: {name}",
                    expected=shape,
                    found=flat[name],
                )
