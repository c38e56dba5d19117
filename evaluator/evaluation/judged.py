"""Whether the encoder that a report scores also chose the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LOCAL = ("file", "folder")


def judged_by_itself(judge: Mapping[str, Any] | None, encoder: Mapping[str, Any]) -> list[str]:
    """A warning if the encoder is among the models in the identity of the `judge` that picked the pictures, else nothing.

    The same weights count, whatever name they go by, and so does a model of the same public name at another precision
    (its weights' digest is another one). judge: as in a manifest's `filter`, or None where nothing was filtered.
    """
    if not any(_same(model, encoder) for model in _models(judge)):
        return []
    return [
        f"The encoder that is scored here, {encoder['name']}, also judged which pictures were kept: pictures that it reads "
        "badly were thrown away, so these numbers flatter it. Judge with one model and score with another."
    ]


def _models(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in a judge's identity that names a model's weights."""
    if isinstance(part, Mapping):
        if "weights_sha256" in part:
            yield part
        for item in part.values():
            yield from _models(item)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _models(item)


def _same(model: Mapping[str, Any], encoder: Mapping[str, Any]) -> bool:
    if model["weights_sha256"] == encoder.get("weights_sha256"):
        return True
    public = encoder.get("pretrained") is not None and encoder["pretrained"] not in _LOCAL
    names = ("library", "name", "pretrained", "architecture")
    return public and all(model.get(name) == encoder.get(name) for name in names)
