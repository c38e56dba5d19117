"""What a judge says for each value of each core attribute: texts to compare a picture with, and words to ask about it.

Condition texts serve where there are some for every value of an attribute (the plan's, or the shipped ones); they name one
value and nothing else, in words that fit. Otherwise texts are made of the spec's own phrases.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clay_eval.schemas.entity import Attribute, EntitySpec, Value
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.texts import ConditionTexts, shipped_texts

TEMPLATES = ("a photo of {}", "a picture of {}", "{}")
VARIED = "something, {}"
"""What stands for the thing itself where a diversity value is read, which says nothing of it."""
PROMPT = "prompt"
"""The name under which the score of the whole prompt stands."""
_LEADS = ("a photo of ", "a picture of ", "an image of ")
_ARTICLES = frozenset({"a", "an", "the", "one", "two", "three", "some", "several"})
_LINKS = frozenset(
    {
        "about",
        "above",
        "against",
        "among",
        "and",
        "around",
        "as",
        "at",
        "before",
        "behind",
        "beside",
        "between",
        "by",
        "during",
        "for",
        "from",
        "in",
        "inside",
        "near",
        "next",
        "of",
        "off",
        "on",
        "or",
        "outside",
        "over",
        "past",
        "that",
        "through",
        "to",
        "under",
        "who",
        "which",
        "while",
        "with",
        "without",
    }
)


@dataclass(frozen=True)
class ValueTexts:
    """A value under one value of its parent. texts: sentences that it fits; said: words that follow "a picture of"."""

    value: str
    parent: str | None
    texts: tuple[str, ...]
    said: str


@dataclass(frozen=True)
class AttributeTexts:
    """All values of an attribute, under all values of its parent (`parent` is the name of that attribute)."""

    name: str
    parent: str | None
    values: tuple[ValueTexts, ...]

    def find(self, sample: SampleSpec) -> int:
        """The index of the sample's own value; a label that the spec does not have raises InputError."""
        value = {**sample.diversity, **sample.labels}.get(self.name)
        above = sample.labels.get(self.parent) if self.parent else None
        for i, item in enumerate(self.values):
            if (item.value, item.parent) == (value, above):
                return i
        known = sorted({item.value for item in self.values if item.parent == above})
        raise InputError(
            f"the label of {self.name!r} is not a value of the entity spec",
            where=sample.key,
            expected=f"one of {known}" if known else f"a value of {self.parent!r} that the spec has",
            found=repr(value) + (f" under {above!r}" if self.parent else ""),
        )

    def rivals(self, index: int) -> list[int]:
        """Values that a picture of the value at `index` must not read as.

        Siblings and values under other parents alike, but neither the same value under another parent (that is the
        parent's matter) nor values with the very same texts (nobody can tell them apart).
        """
        own = self.values[index]
        return [
            i
            for i, item in enumerate(self.values)
            if item.value != own.value and set(item.texts) != set(own.texts)
        ]


def spec_texts(
    spec: EntitySpec, given: ConditionTexts | None = None, *, diversity: bool = False
) -> tuple[AttributeTexts, ...]:
    """The texts of every core attribute of `spec`; with `diversity`, of its diversity attributes, too.

    given: condition texts to use instead of the shipped ones. An attribute for some value of which they have no text gets
    texts made of the spec's phrases, for all its values, as diversity attributes always do. Raises InputError for an
    attribute called "prompt", the name that the whole prompt's score has.
    """
    known = given or shipped_texts(spec.entity)
    core = tuple(_attribute_texts(spec, attribute, known) for attribute in spec.attributes)
    return core + tuple(_varied_texts(spec, attribute) for attribute in spec.diversity if diversity)


def texts_fingerprint(texts: Sequence[AttributeTexts]) -> str:
    """Hexadecimal sha256 over all texts with their values, in order."""
    return fingerprint(
        [[a.name, [[v.value, v.parent, list(v.texts), v.said] for v in a.values]] for a in texts]
    )


def _require_another_name(spec: EntitySpec, attribute: Attribute) -> None:
    if attribute.name == PROMPT:
        raise InputError(
            'no judge can keep an attribute apart from the whole prompt if it is called "prompt"',
            where=spec.source or spec.entity,
            hint="give the attribute another name",
        )


def _varied_texts(spec: EntitySpec, attribute: Attribute) -> AttributeTexts:
    """Texts of a diversity attribute: its phrases beside a thing of which nothing is said."""
    _require_another_name(spec, attribute)
    values = []
    for value in attribute.choices[None]:
        said = VARIED.format(value.phrase)
        values.append(ValueTexts(value.name, None, tuple(t.format(said) for t in TEMPLATES), said))
    return AttributeTexts(attribute.name, None, tuple(values))


def _attribute_texts(spec: EntitySpec, attribute: Attribute, known: ConditionTexts | None) -> AttributeTexts:
    _require_another_name(spec, attribute)
    pairs = [(value, parent) for parent, group in attribute.choices.items() for value in group]
    written = [_written(known, attribute.name, value.name, parent) for value, parent in pairs]
    if not all(written):
        phrases = [_phrase(spec, attribute, value) for value, _ in pairs]
        written = [tuple(template.format(phrase) for template in TEMPLATES) for phrase in phrases]
    else:
        phrases = [without_lead(texts[0]) for texts in written]
    return AttributeTexts(
        attribute.name,
        attribute.parent,
        tuple(
            ValueTexts(value.name, parent, texts, said)
            for (value, parent), texts, said in zip(pairs, written, phrases, strict=True)
        ),
    )


def _written(known: ConditionTexts | None, attribute: str, value: str, parent: str | None) -> tuple[str, ...]:
    if known is None:
        return ()
    items = known.conditions.get(attribute, ())
    return tuple(
        item.text for item in items if item.value == value and (item.parent is None or item.parent == parent)
    )


def without_lead(text: str) -> str:
    """A caption without the "a photo of" that it may begin with: what the picture shows."""
    return next((text.removeprefix(lead) for lead in _LEADS if text.startswith(lead)), text)


def _phrase(spec: EntitySpec, attribute: Attribute, value: Value) -> str:
    """A value's phrase so that it can stand after "a photo of": "a red object", "a sneaker", "a scene on a beach"."""
    first = value.phrase.split()[0].lower()
    if first in _LINKS:
        return f"a scene {value.phrase}"
    modifies = _modifies_a_noun(spec, attribute)
    phrase = f"{value.phrase} object" if modifies else value.phrase
    if first in _ARTICLES or (not modifies and _is_something_done(attribute)):
        return phrase
    return f"{'an' if first[0] in 'aeiou' else 'a'} {phrase}"


def _modifies_a_noun(spec: EntitySpec, attribute: Attribute) -> bool:
    """Whether a noun follows the attribute in the prompt: "{color} {animal}" or "a {color} mug", not "{age} {action}"."""
    others: Mapping[str, Attribute] = {a.name: a for a in (*spec.attributes, *spec.diversity)}
    parts = [*string.Formatter().parse(spec.prompts[0]), ("", None, None, None)]
    for (_, name, _, _), (after, following, _, _) in pairwise(parts):
        if name != attribute.name:
            continue
        if words := after.split():
            return after[0].isspace() and words[0].isalpha() and words[0].lower() not in _LINKS
        if following is None:
            return False
        return not _stands_alone(others[following])
    return False


def _stands_alone(attribute: Attribute) -> bool:
    """Whether most values come with an article or preposition of their own, or are something done: no bare nouns."""
    alone = [first in _ARTICLES or first in _LINKS for first in _first_words(attribute)]
    return 2 * sum(alone) > len(alone) or _is_something_done(attribute)


def _is_something_done(attribute: Attribute) -> bool:
    """Whether most values begin with an -ing form: "reading a book", but not the one "frying pan" among things."""
    doing = [first.endswith("ing") for first in _first_words(attribute)]
    return 2 * sum(doing) > len(doing)


def _first_words(attribute: Attribute) -> list[str]:
    return [value.phrase.split()[0].lower() for group in attribute.choices.values() for value in group]
