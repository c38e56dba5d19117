"""The page of a preview: pictures of each setting in a row, with prompts, labels, verdicts, and estimates for the plan."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.failures import brief, failures_name, read_failures
from clay_eval.schemas.manifest import FAILURES, QUARANTINE, SETTINGS, shard_name
from clay_eval.schemas.pages import environment, policy, template
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.shards import ShardSample, read_shard
from clay_eval.schemas.thumbnails import fitted, jpeg
from clay_eval.schemas.validate import read_sealed

from ..shards.journal import DRAWN, FAILED, QUARANTINED, Fate, fate_of
from .counting import Counts, PlannedShard, ShardState, Tally, count
from .estimates import Estimate, hours, mean, quarantined, rejected, seconds_a_picture, share
from .previewing import read_timing
from .quantities import lasting, number, size

PACKAGE = "clay_eval.generator.progress"
SIDE = 320
_GOOD = {"kind": "good", "sign": "✓", "said": "seen by the judge"}
_BAD = {"kind": "bad", "sign": "✗", "said": "not seen by the judge"}
_LATER = {"kind": "good", "sign": "✓", "said": "seen by the judge at a later attempt"}
_EARLIER = {"kind": "good", "sign": "✓", "said": "seen by the judge, but not at an earlier attempt"}
_NONE = {"kind": "", "sign": "", "said": "not judged"}


@dataclass(frozen=True)
class Row:
    """A setting that was previewed: its folder and render.json, and of every chosen sample what became of it.

    pictures: (sample as it is stored, whether accepted) by key. failures: errors by key.
    """

    folder: Path
    settings: Mapping[str, Any]
    pictures: Mapping[str, tuple[ShardSample, bool]]
    failures: Mapping[str, str]

    @property
    def title(self) -> str:
        """The model's name."""
        renderer = self.settings["renderer"]
        return str(renderer.get("model") or renderer.get("type"))

    def fates(self) -> dict[str, Fate]:
        """What became of the samples."""
        fates = {key: fate_of(sample.record, accepted) for key, (sample, accepted) in self.pictures.items()}
        return fates | {key: Fate(FAILED) for key in self.failures if key not in fates}


def read_row(folder: Path, entities: Sequence[str]) -> Row:
    """A previewed setting, read. Raises IntegrityError for what is damaged."""
    pictures: dict[str, tuple[ShardSample, bool]] = {}
    failures: dict[str, str] = {}
    for entity in entities:
        name = shard_name(entity, 0)
        for path, accepted in ((folder / QUARANTINE / name, False), (folder / name, True)):
            if path.exists():
                pictures.update({sample.key: (sample, accepted) for sample in read_shard(path)})
        failures |= read_failures(folder / FAILURES / failures_name(name))
    return Row(folder, read_sealed(folder / SETTINGS, "render-settings"), pictures, failures)


def expected(row: Row, samples: Sequence[SampleSpec], planned: Counts) -> dict[str, Any]:
    """What the whole plan would take with a row's settings, JSON-able; each estimate as [value, low, high]."""
    fates = row.fates()
    shard = PlannedShards(samples)
    counts = count(shard.shards, {one.name: ShardState(fates=fates) for one in shard.shards})
    timing, attempts = read_timing(row.folder), row.settings["attempts"]
    ended = [fate for fate in fates.values() if fate.end in (DRAWN, QUARANTINED)]
    taken = [fate.rejected + (fate.end == DRAWN) for fate in ended]
    sizes = [float(len(sample.image)) + 2048.0 for sample, _ in row.pictures.values()]
    total = planned.total.planned
    seconds = seconds_a_picture(timing)
    lasting = hours(timing, taken, attempts, total)
    lost = share(counts.total.quarantined, counts.total.quarantined + counts.total.drawn)
    return {
        "model": row.title,
        "folder": row.folder.name,
        "looked_at": len(fates),
        **{name: getattr(counts.total, name) for name in ("drawn", "quarantined", "failed")},
        "rejected_pictures": counts.total.rejected,
        "seconds_a_picture": _listed(seconds),
        "hours": _listed(lasting),
        "bytes": _listed(mean(sizes, 0.0).times(total)) if len(sizes) > 1 else None,
        "quarantine": _listed(lost.times(total)) if row.settings["judge"] else None,
        "values": {
            entity: {
                name: {
                    value: {
                        "planned": (own := planned.values[entity][name][value].planned),
                        "rejected": _listed(rejected(tally).times(own)),
                        "quarantined": _listed(quarantined(tally).times(own)),
                    }
                    for value, tally in values.items()
                }
                for name, values in attributes.items()
            }
            for entity, attributes in counts.values.items()
        }
        if row.settings["judge"]
        else {},
    }


class PlannedShards:
    """Chosen samples as planned shards, one an entity."""

    def __init__(self, samples: Sequence[SampleSpec]) -> None:
        by_entity: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {}
        for sample in samples:
            labels = (*sample.labels.items(), *sample.diversity.items())
            by_entity.setdefault(sample.entity, {})[sample.key] = labels
        self.shards = [PlannedShard(shard_name(name, 0), name, keys) for name, keys in by_entity.items()]


def render_sheet(
    rows: Sequence[tuple[Row, Mapping[str, Any]]], samples: Sequence[SampleSpec], planned: Tally
) -> str:
    """The page, whole in one file. rows: with what `expected` says of each."""
    return (
        environment(PACKAGE)
        .get_template("preview.html")
        .render(
            policy=policy("img-src data:"),
            style=template(PACKAGE, "preview.css"),
            count=len(samples),
            planned=planned.planned,
            side=SIDE,
            rows=[_row(row, facts, samples) for row, facts in rows],
        )
    )


def _row(row: Row, facts: Mapping[str, Any], samples: Sequence[SampleSpec]) -> dict[str, Any]:
    return {
        "title": row.title,
        "settings": _settings(row.settings),
        "figures": _figures(facts),
        "cards": [_card(row, sample) for sample in samples],
        "worst": _worst(facts["values"]),
    }


def _settings(settings: Mapping[str, Any]) -> str:
    renderer = settings["renderer"]
    shown = ("steps", "guidance", "size", "width", "height", "dtype", "revision")
    parts = [
        f"{name} {renderer[name]}" for name in shown if isinstance(renderer.get(name), str | int | float)
    ]
    judge = settings["judge"]
    named = ", ".join(map(_judge_name, judge.get("judges", [judge]))) if judge else ""
    return ", ".join(
        [*parts, f"judge {named}" if judge else "no judge", f"{settings['attempts']} attempts at most"]
    )


def _judge_name(judge: Mapping[str, Any]) -> str:
    """The model that judges, by an identity; else the kind of judge."""
    encoder = judge.get("encoder")
    name = encoder.get("name") if isinstance(encoder, dict) else judge.get("model")
    return str(name or judge.get("type"))


def _figures(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [("accepted", f"{facts['drawn']} of {facts['looked_at']}")]
    if facts["rejected_pictures"]:
        found.append(("pictures rejected", str(facts["rejected_pictures"])))
    if facts["failed"]:
        found.append(("failed", str(facts["failed"])))
    if facts["seconds_a_picture"]:
        found.append(("a picture takes", lasting(facts["seconds_a_picture"])))
    if facts["hours"]:
        found.append(("the plan takes, on this machine", lasting([3600 * one for one in facts["hours"]])))
    if facts["bytes"]:
        found.append(("disk for the plan", size(facts["bytes"])))
    if facts["quarantine"]:
        found.append(("expected in quarantine", number(facts["quarantine"])))
    return found


def _card(row: Row, sample: SampleSpec) -> dict[str, Any]:
    values = [*sample.labels.items(), *sample.diversity.items()]
    card: dict[str, Any] = {
        "key": sample.key,
        "prompt": sample.prompt,
        "alt": sample.prompt,
        "picture": None,
        "why": "",
        "reasons": [],
    }
    found = row.pictures.get(sample.key)
    if found is None:
        labels: list[tuple[Mapping[str, str], str, str]] = [(_NONE, *item) for item in values]
        if sample.key not in row.failures:
            return {
                **card,
                "state": "",
                "verdict": "",
                "why": "not drawn with these settings",
                "labels": labels,
            }
        why = brief(row.failures[sample.key])
        return {**card, "state": "failed", "verdict": "failed", "why": why, "labels": labels}
    stored, accepted = found
    scores, failed = stored.record["scores"], stored.record["failed"]
    last = _failed_last(stored.record)
    labels = [(_mark(name, scores, failed, () if accepted else last), name, value) for name, value in values]
    attempt = stored.record["attempt"]
    verdict = "not judged" if row.settings["judge"] is None else "accepted" if accepted else "rejected"
    later = f" at attempt {attempt}" if attempt > 1 and accepted else ""
    return {
        **card,
        "state": "accepted" if accepted else "quarantined",
        "verdict": verdict + later,
        "labels": labels,
        "picture": _data(stored.image),
        "reasons": stored.record["rejected"],
    }


def _failed_last(record: Mapping[str, Any]) -> set[str]:
    """What the picture of a record failed at, of all that the sample's attempts did, by the reasons of its own attempt.

    Reasons begin with the name of the attribute; where those of a judge do not, it may have failed at all of them.
    """
    begin = f"attempt {record['attempt']}: "
    reasons = [text.removeprefix(begin) for text in record["rejected"] if text.startswith(begin)]
    named = {name for name in record["failed"] if any(text.startswith(f"{name} ") for text in reasons)}
    return named or set(record["failed"])


def _mark(
    name: str, scores: Mapping[str, float], failed: Sequence[str], last: Collection[str]
) -> Mapping[str, str]:
    """What is said of a label; failed: at any attempt, last: at that of the picture that is shown."""
    if name in last:
        return _BAD
    if name in failed:
        return _EARLIER if last else _LATER
    judged = any(score.rpartition(".")[2] == name for score in scores)
    return _GOOD if judged else _NONE


def _data(image: bytes) -> str:
    from PIL import Image

    with Image.open(io.BytesIO(image)) as picture:
        small = jpeg(fitted(picture.convert("RGB"), SIDE), 85)
    return f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"


def _worst(values: Mapping[str, Any]) -> list[tuple[str, int, str, str]]:
    rows = [
        (f"{entity} {name} {value}", facts)
        for entity, attributes in values.items()
        for name, of in attributes.items()
        for value, facts in of.items()
    ]
    rows.sort(key=lambda row: (-row[1]["rejected"][0] / max(1, row[1]["planned"]), row[0]))
    return [
        (name, facts["planned"], number(facts["rejected"]), number(facts["quarantined"]))
        for name, facts in rows
    ]


def _listed(found: Estimate | None) -> list[float] | None:
    return None if found is None else [found.value, found.low, found.high]
