"""What the denoiser of the embedded pipeline is trained on: differences of twins, their weight, and times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import train_denoiser as training
from heard import TIMES, heard
from transformers import CLIPTokenizer


def twins(count: int = 6, seed: int = 0) -> torch.Tensor:
    """(count, 2, 3, 4, 4) latents."""
    return torch.randn(count, 2, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_the_known_difference_is_the_mean_of_those_of_the_same_kind() -> None:
    draw = np.random.default_rng(0)
    records = []
    for _ in range(40):
        one = {"viewpoint": draw.choice(["left", "right"]), "framing": draw.choice(["close", "far"])}
        other = one | {"viewpoint": {"left": "right", "right": "left"}[one["viewpoint"]]}
        labels = {"subcategory": draw.choice(["mug", "car"])}
        records += [{"labels": labels, "diversity": values} for values in (one, other)]
    rows = torch.randn(80, 3, 4, 4, generator=torch.Generator().manual_seed(1)).half()
    found = training.mean_differences({"things": rows}, {"things": records})["things"]

    def kind(i: int) -> tuple[str, ...]:
        return records[2 * i]["labels"]["subcategory"], *records[2 * i]["diversity"].values()

    for i in range(40):
        alike = [j for j in range(40) if kind(j) == kind(i)]
        wanted = torch.stack([rows[2 * j].float() - rows[2 * j + 1].float() for j in alike]).mean(0)
        assert len(alike) > 1
        assert torch.allclose(found[i].float(), wanted, atol=2e-3)


def test_untold_twins_count_as_the_mean_square_whatever_the_time() -> None:
    error = twins(seed=2)
    for high in (True, False):
        flags = torch.full((6,), high), torch.zeros(6, dtype=torch.bool)
        loss, own = training.loss_of(error.flatten(0, 1), twins(), *flags)
        assert torch.isclose(loss, error.square().mean())
        difference = (error[:, 0] - error[:, 1]).square().mean((1, 2, 3)) / 4
        assert torch.allclose(own, difference)


def test_told_twins_weigh_their_difference_at_high_noise_and_its_place_below() -> None:
    error, told = twins(seed=3), torch.ones(6, dtype=torch.bool)
    shared = (error[:, 0] + error[:, 1]).square().mean() / 4
    own = (error[:, 0] - error[:, 1]).square().mean() / 4
    loss, _ = training.loss_of(error.flatten(0, 1), twins(), told, told)
    assert torch.isclose(loss, shared + training.TWIN_WEIGHT * own)
    same = twins()
    same[:, 1] = same[:, 0]
    same[:, 1, :, 0, 0] += 1  # they differ in one place
    loss, _ = training.loss_of(error.flatten(0, 1), same, ~told, told)
    weight = torch.ones(4, 4)
    weight[0, 0] += training.PLACE_WEIGHT
    assert torch.isclose(loss, (error.square() * weight).mean())


def test_times_lie_where_they_should() -> None:
    times = training.times_of(4000, torch.Generator().manual_seed(5))
    assert ((times > 0) & (times <= 1)).all()
    high = (times > 1 - training.HIGH_NOISE).float().mean()
    assert training.HIGH_SHARE - 0.04 < high < training.HIGH_SHARE + 0.04
    assert torch.equal(times, training.times_of(4000, torch.Generator().manual_seed(5)))


def test_what_is_heard_of_a_text() -> None:
    """By models that know: one does as the text says, one leaves it out, one halves the difference."""
    tokenizer = CLIPTokenizer.from_pretrained(training.VAE.parent / "tokenizer")
    one, other = twins()[:, 0], twins()[:, 1]
    texts = [["a woman"] * 6, ["a man"] * 6]
    first = training.tokens_of(tokenizer, texts[0])

    def model(mixed: float) -> Callable[..., torch.Tensor]:
        def predict(noisy: torch.Tensor, times: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            own, wrong = (one, other) if torch.equal(tokens, first) else (other, one)
            clean = (1 - mixed) * own + mixed * wrong
            return (noisy - clean) / times[:, None, None, None]

        return predict

    for mixed, expected in ((0.0, 1.0), (0.5, 0.0), (0.25, 0.5)):
        assert heard(model(mixed), tokenizer, one, other, texts) == dict.fromkeys(TIMES, expected)
