"""Captions of training pictures: whole scenes, two attributes, or one attribute and nothing else.

A caption comes with what it mentions, so that a loss can tell every picture in a batch that it fits, not only the one
it was written for.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from clay_eval.schemas.entity import EntitySpec

PREFIXES = (
    "a photo of",
    "a picture of",
    "an image of",
    "a drawing of",
    "an illustration of",
    "a view of",
    "a snapshot of",
    "this is",
    "there is",
    "here is",
    "we see",
    "this shows",
    "",
)
THINGS = ("object", "thing", "item")
PEOPLE = ("a person", "someone", "somebody")


def article(words: str) -> str:
    """`words` with "a" or "an" before them, unless they have one."""
    if words.split(" ")[0] in {"a", "an"}:
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def caption(
    spec: EntitySpec, labels: Mapping[str, str], diversity: Mapping[str, str], rng: random.Random
) -> tuple[str, dict[str, str]]:
    """(text, the attributes it mentions with their values)."""
    names = [a.name for a in spec.attributes]
    kind = rng.random()
    if kind < 0.4:
        mentioned = [rng.choice(names)]
    elif kind < 0.6:
        mentioned = rng.sample(names, 2)
    else:
        mentioned = list(names)
    extras = rng.sample(list(diversity), rng.randint(0, len(diversity))) if kind >= 0.5 else []
    if kind < 0.06:
        mentioned, extras = [], [rng.choice(list(diversity))]
    chosen = {name: labels[name] for name in mentioned}
    core = _object(spec, chosen, rng) if "color" in names else _person(spec, chosen, rng)
    phrases = [_phrase(spec, name, diversity[name]) for name in extras]
    prefix = "" if core.startswith(("on ", "in ")) else rng.choice(PREFIXES)
    text = ", ".join([f"{prefix} {core}".strip(), *phrases])
    return text, {**chosen, **{name: diversity[name] for name in extras}}


def _phrase(spec: EntitySpec, name: str, value: str) -> str:
    attribute = next(a for a in (*spec.attributes, *spec.diversity) if a.name == name)
    return next(v.phrase for group in attribute.choices.values() for v in group if v.name == value)


def _object(spec: EntitySpec, chosen: Mapping[str, str], rng: random.Random) -> str:
    color = chosen.get("color")
    if "subcategory" in chosen:
        noun = chosen["subcategory"]
        if "category" in chosen and rng.random() < 0.3:
            noun += f", {_phrase(spec, 'category', chosen['category'])}"
    elif "category" in chosen:
        noun = _phrase(spec, "category", chosen["category"]).removeprefix("a ").removeprefix("an ")
        if rng.random() < 0.3:
            noun = chosen["category"]
            return f"{color} {noun}" if color else noun
    else:
        noun = rng.choice(THINGS)
        if color and rng.random() < 0.35:
            return rng.choice(
                (f"something {color}", f"something that is {color}", f"the color {color}", f"{color}")
            )
    if color and "," not in noun and rng.random() < 0.2:
        return f"{article(noun)} that is {color}"
    return article(f"{color} {noun}" if color else noun)


def _person(spec: EntitySpec, chosen: Mapping[str, str], rng: random.Random) -> str:
    if list(chosen) == ["background"]:
        place = _phrase(spec, "background", chosen["background"])
        bare = article(chosen["background"])
        return rng.choice(
            (f"{rng.choice(PEOPLE)} {place}", place, bare, f"a scene {place}", f"{bare} in the background")
        )
    who = _phrase(spec, "age", chosen["age"]) if "age" in chosen else rng.choice(PEOPLE)
    words = [who]
    if "action" in chosen:
        said = rng.choice((chosen["action"], _phrase(spec, "action", chosen["action"])))
        if who in PEOPLE and len(chosen) == 1 and rng.random() < 0.25:
            return said
        words.append(rng.choice((said, said, f"who is {said}")))
    if "background" in chosen:
        words.append(_phrase(spec, "background", chosen["background"]))
    return " ".join(words)


OBJECT_FORMS = (
    "a photo of {color} {subcategory}, {viewpoint}, {setting}, {light}, {framing}",
    "a photo of {color} {subcategory} {setting}, {viewpoint}, {framing}, {light}",
    "{color} {subcategory} {setting} {light}, {viewpoint}, {framing}",
    "{framing}, {color} {subcategory} {setting}, {viewpoint} {light}",
    "{color} {subcategory}, {viewpoint} {light}, {setting} and {framing}",
    "this photo shows {color} {subcategory} {setting} {light}, {viewpoint} and {framing}",
)
PERSON_FORMS = (
    "a photo of {age} {action} {background}, {appearance}, {skin}, {clothing}, {direction}, {light}, {framing}",
    "a photo of {age} {skin} and {clothing}, {appearance}, {action} {background} {light}, {direction}, {framing}",
    "{age} {action} {background} {light}, {appearance}, {direction}, {skin} and {clothing}, {framing}",
    "{framing}, {age} {direction} and {action} {background}, {appearance}, {skin}, {clothing}, {light}",
    "this photo shows {age} {clothing}, {appearance}, {skin}, {action} {background} {light}, {direction}, {framing}",
    "{light}, {age} is {action} {background}, {direction}, {appearance}, {skin}, {clothing}, {framing}",
)
JOINERS = (", ", ", ", ", ", " ", " and ", "; ")


def prompt(
    spec: EntitySpec, labels: Mapping[str, str], diversity: Mapping[str, str], rng: random.Random
) -> str:
    """What someone may ask a renderer for: the entity's own phrasing, another order, or a freer caption.

    Every core label is named; in a fifth of the captions not every diversity value is.
    """
    kind = rng.random()
    if kind < 0.6:
        values = {name: _phrase(spec, name, value) for name, value in {**labels, **diversity}.items()}
        others = OBJECT_FORMS if "color" in labels else PERSON_FORMS
        return rng.choice((rng.choice(spec.prompts), rng.choice(others))).format(**values)
    core = _object(spec, labels, rng) if "color" in labels else _person(spec, labels, rng)
    count = len(diversity) if kind < 0.8 else rng.randint(0, len(diversity))
    extras = [_phrase(spec, name, diversity[name]) for name in rng.sample(list(diversity), count)]
    text = f"{rng.choice(PREFIXES)} {core}".strip()
    for extra in extras:
        text += rng.choice(JOINERS) + extra
    return text
