"""GeneCIS's combiner against the formula spelled out in torch's float64, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clay_eval.evaluator.methods.genecis_combiner import GeneCISCombiner, read_combiner
from clay_eval.evaluator.methods.support.protocol import FeatureMethod, asked_names, describe, is_privileged
from clay_eval.schemas.errors import InputError, IntegrityError

D, P, H = 6, 9, 13


def tensors(seed: int = 0, prefix: str = "") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "text_projection_layer": (P, D),
        "image_projection_layer": (P, D),
        "combiner_layer": (H, 2 * P),
        "output_layer": (D, H),
        "dynamic_scalar.0": (H, 2 * P),
        "dynamic_scalar.3": (1, H),
    }
    made = {}
    for name, (rows, columns) in shapes.items():
        made[f"{prefix}{name}.weight"] = torch.randn(rows, columns, generator=generator)
        made[f"{prefix}{name}.bias"] = torch.randn(rows, generator=generator)
    return made


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_file(tensors(), tmp_path / "combiner.safetensors")
    return tmp_path / "combiner.safetensors"


@pytest.fixture
def features() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(40, D))
    names = rng.normal(size=(1, D))
    return (
        rows / np.linalg.norm(rows, axis=1, keepdims=True),
        names / np.linalg.norm(names, axis=1, keepdims=True),
    )


def literal(v: np.ndarray, t: np.ndarray, image_norm: float = 1, text_norm: float = 1) -> np.ndarray:
    """One image and one text at a time, as the original network does, in float64."""
    w = {name: tensor.double() for name, tensor in tensors().items()}
    functional = torch.nn.functional
    rows = []
    for image in torch.tensor(v * image_norm):
        text = torch.tensor(t * text_norm)
        a = functional.linear(text, w["text_projection_layer.weight"], w["text_projection_layer.bias"]).relu()
        b = functional.linear(
            image, w["image_projection_layer.weight"], w["image_projection_layer.bias"]
        ).relu()
        x = torch.cat([a, b])
        hidden = functional.linear(x, w["dynamic_scalar.0.weight"], w["dynamic_scalar.0.bias"]).relu()
        g = functional.linear(hidden, w["dynamic_scalar.3.weight"], w["dynamic_scalar.3.bias"]).sigmoid()
        c = functional.linear(x, w["combiner_layer.weight"], w["combiner_layer.bias"]).relu()
        out = (
            functional.linear(c, w["output_layer.weight"], w["output_layer.bias"])
            + g * text
            + (1 - g) * image
        )
        rows.append(functional.normalize(out, dim=0).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("norms", [(1.0, 1.0), (10.5, 7.0)])
def test_queries_are_the_literal_formula(
    weights: Path, features: tuple[np.ndarray, np.ndarray], norms: tuple[float, float]
) -> None:
    rows, names = features
    method = GeneCISCombiner(str(weights), image_norm=norms[0], text_norm=norms[1])
    method.fit(rows, np.eye(D), condition_features=names)
    expected = literal(rows, names[0], *norms)
    np.testing.assert_allclose(method.transform_queries(rows), expected, atol=1e-13)
    np.testing.assert_allclose(method.transform_queries(rows * 5), expected, atol=1e-13)
    narrow = method.transform_queries(rows.astype(np.float32))
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected, atol=1e-5)


def test_modes(weights: Path, features: tuple[np.ndarray, np.ndarray]) -> None:
    rows, names = features
    asymmetric = GeneCISCombiner(str(weights)).fit(rows, rows, names)
    symmetric = GeneCISCombiner(str(weights), mode="symmetric").fit(rows, rows, names)
    np.testing.assert_allclose(asymmetric.transform(3 * rows), rows, atol=1e-15)
    np.testing.assert_allclose(symmetric.transform(rows), literal(rows, names[0]), atol=1e-13)
    np.testing.assert_array_equal(symmetric.transform(rows), symmetric.transform_queries(rows))


def test_several_conditions_are_their_mean_name(
    weights: Path, features: tuple[np.ndarray, np.ndarray]
) -> None:
    rows, names = features
    two = np.vstack([names, rows[:1]])
    mean = two.mean(axis=0) / np.linalg.norm(two.mean(axis=0))
    method = GeneCISCombiner(str(weights)).fit(rows, rows, two)
    np.testing.assert_allclose(method.transform_queries(rows), literal(rows, mean), atol=1e-13)


def test_many_images_go_in_blocks(weights: Path, features: tuple[np.ndarray, np.ndarray]) -> None:
    rows, names = features
    many = np.tile(rows, (60, 1))
    method = GeneCISCombiner(str(weights)).fit(rows, rows, names)
    np.testing.assert_allclose(
        method.transform_queries(many), np.tile(method.transform_queries(rows), (60, 1)), atol=1e-12
    )


def test_what_it_is(weights: Path, features: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    rows, names = features
    method = GeneCISCombiner(str(weights))
    assert isinstance(method, FeatureMethod)
    assert asked_names(method) == ("condition_features",)
    assert not is_privileged(method)
    facts = describe(method.fit(rows, rows, names))
    assert facts["mode"] == "asymmetric"
    assert len(str(facts["weights_sha256_"])) == 64
    save_file(tensors(prefix="module."), tmp_path / "parallel.safetensors")
    parallel = read_combiner(tmp_path / "parallel.safetensors")
    for name, tensor in read_combiner(weights).items():
        np.testing.assert_array_equal(parallel[name], tensor)


def test_weights_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    (tmp_path / "mine.pt").write_bytes(b"x")
    with pytest.raises(InputError, match="must be safetensors"):
        read_combiner(tmp_path / "mine.pt")
    with pytest.raises(InputError, match="no such file of weights"):
        read_combiner(path)
    path.write_bytes(b"x" * 20)
    with pytest.raises(IntegrityError, match="damaged"):
        read_combiner(path)
    save_file({k: v for k, v in tensors().items() if k != "output_layer.bias"}, path)
    with pytest.raises(InputError, match=r"not the weights[\s\S]*without \['output_layer.bias'\]"):
        read_combiner(path)
    save_file({**tensors(), "combiner_layer.weight": torch.zeros(H, P)}, path)
    with pytest.raises(InputError, match=r"do not fit together[\s\S]*combiner_layer.weight"):
        read_combiner(path)
    save_file({**tensors(), "text_projection_layer.weight": torch.zeros(P)}, path)
    with pytest.raises(InputError, match="other shapes"):
        read_combiner(path)
    save_file({**tensors(), "output_layer.bias": torch.full((D,), float("nan"))}, path)
    with pytest.raises(InputError, match=r"output_layer.bias"):
        read_combiner(path)


def test_options_and_arrays_that_are_refused(weights: Path, features: tuple[np.ndarray, np.ndarray]) -> None:
    rows, names = features
    with pytest.raises(InputError, match="unknown mode"):
        GeneCISCombiner(str(weights), mode="both")  # type: ignore[arg-type]
    for norm in (0, -1, float("nan")):
        with pytest.raises(InputError, match="positive"):
            GeneCISCombiner(str(weights), image_norm=norm)
    method = GeneCISCombiner(str(weights))
    with pytest.raises(InputError, match="not fitted"):
        method.transform(rows)
    with pytest.raises(InputError, match="another width"):
        GeneCISCombiner(str(weights)).fit(rows[:, :4], rows[:, :4], names[:, :4])
    with pytest.raises(InputError, match="condition features"):
        method.fit(rows, rows, np.vstack([names, -names]))
    method.fit(rows, rows, names)
    with pytest.raises(InputError, match="width"):
        method.transform_queries(rows[:, :4])
    with pytest.raises(InputError, match="not a finite"):
        method.transform(rows * np.nan)
