"""Texts about everyday things, whatever the condition: what the method `pca-generic` is fitted to."""

from __future__ import annotations

from importlib import resources

_NO_ARTICLE = " *"
_LIKE_A_CONSONANT = ("uni", "uku", "eu", "ew", "one")
_LIKE_A_VOWEL = ("hour", "heir", "honest")


def generic_texts() -> list[str]:
    """Return "a photo of a X" for every name X of prompts/generic_names.txt, in the file's order, all different."""
    file = resources.files("clay_eval.prompts").joinpath("generic_names.txt")
    lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    return [f"a photo of {with_article(line)}" for line in lines if line and not line.startswith("#")]


def with_article(name: str) -> str:
    """Return `name` after "a" or "an", as it sounds; a name that ends in " *" stands alone, without the mark."""
    if name.endswith(_NO_ARTICLE):
        return name.removesuffix(_NO_ARTICLE)
    vowel = name[0] in "aeiou" and not name.startswith(_LIKE_A_CONSONANT)
    return f"{'an' if vowel or name.startswith(_LIKE_A_VOWEL) else 'a'} {name}"
