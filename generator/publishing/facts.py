"""What the texts of a release say, gathered from its records: nothing here is written by hand for one data set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.manifest import checked_labels
from clay_eval.schemas.release import DATA, SPLIT

from .licences import hub_licence

KEYWORDS = ("synthetic", "webdataset", "croissant", "image-retrieval", "conditional-similarity")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_THIN = 0.9
_AND = re.compile(r"\sand\s", re.IGNORECASE)
PAPER = (
    "Lim, Hyoseok, Park, Oh: CLAY: Conditional Visual Similarity Modulation in Vision-Language Embedding Space, "
    "CVPR 2026"
)


def size_category(samples: int) -> str:
    """The Hub's name for a number of samples."""
    return next((name for limit, name in _SIZES if samples < limit), "1M<n<10M")


def default_title(specs: Sequence[EntitySpec]) -> str:
    """What a data set is called whose publisher did not say."""
    return f"Conditional similarity: {', '.join(spec.title for spec in specs)}"


def front_matter(release: Mapping[str, Any]) -> dict[str, Any]:
    """The YAML head of the data set card, as the Hugging Face Hub reads it."""
    return {
        "license": hub_licence(release["licence"]["id"]),
        "pretty_name": release["title"],
        "task_categories": ["image-feature-extraction", "image-classification"],
        "size_categories": [size_category(release["samples"])],
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "tags": list(KEYWORDS),
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": SPLIT, "path": f"{DATA}/{name}-{SPLIT}-[0-9]*.tar"}],
            }
            for name in release["entities"]
        ],
    }


def evaluation_task(release: Mapping[str, Any], description: str) -> dict[str, Any]:
    """eval.yaml: what a benchmark on the Hub says of itself, a task an entity."""
    return {
        "name": release["title"],
        "description": description,
        "evaluation_framework": "clay-eval",
        "tasks": [{"id": name, "config": name, "split": SPLIT} for name in release["entities"]],
    }


def entity_facts(
    specs: Sequence[EntitySpec], plan: Mapping[str, Any], manifest: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A dictionary an entity: title, samples, attributes with their values and parents, what is varied, exclusions.

    `checked` are the attributes whose labels a judge checked, `asked` those that are only what was asked for.
    """
    facts = []
    for spec in specs:
        counts = manifest["entities"][spec.entity]
        planned = plan["entities"][spec.entity]
        balance = manifest["balance"].get(spec.entity, {})
        checked = checked_labels(manifest["filter"]["judge"], counts, balance)
        facts.append(
            {
                "name": spec.entity,
                "title": spec.title,
                "samples": counts["samples"],
                "combinations": planned["combinations"],
                "excluded": planned["excluded"],
                "attributes": [
                    {"name": a.name, "parent": a.parent, "values": _kept(balance.get(a.name, {}))}
                    for a in spec.attributes
                ],
                "diversity": [
                    {"name": a.name, "values": _kept(balance.get(a.name, {}))} for a in spec.diversity
                ],
                "reasons": [
                    {
                        "when": " and ".join(f"{n}: {' or '.join(sorted(v))}" for n, v in e.when.items()),
                        "reason": e.reason,
                    }
                    for e in spec.exclusions
                ],
                "checked": checked,
                "asked": [a.name for a in (*spec.attributes, *spec.diversity) if a.name not in checked],
                "thin": _thin(balance),
            }
        )
    return facts


def _kept(values: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {value: counts[1] for value, counts in values.items()}


def _thin(balance: Mapping[str, Mapping[str, Sequence[int]]]) -> list[dict[str, Any]]:
    """Values of which less than 90 % of what was planned was kept, the thinnest first."""
    rows = [
        {"attribute": name, "value": value, "planned": planned, "kept": kept}
        for name, values in balance.items()
        for value, (planned, kept) in values.items()
        if planned and kept < _THIN * planned
    ]
    return sorted(rows, key=lambda row: (row["kept"] / row["planned"], row["attribute"], row["value"]))


def baseline_facts(report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Rows "entity, method, mean, chance, conditions" of a report's first measure over its single conditions, or None."""
    if report is None:
        return None
    measure = report["settings"]["measures"][0]
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in report["results"]:
        if row["metric"] == measure and len(row["conditions"]) == 1 and row["value"] is not None:
            groups.setdefault((row["entity"], row["method"]), []).append(row)
    rows = [
        {
            "entity": entity,
            "method": method,
            "mean": sum(row["value"] for row in found) / len(found),
            "chance": sum(row["chance"] for row in found) / len(found),
            "conditions": len(found),
            "privileged": report["methods"][method]["privileged"],
        }
        for (entity, method), found in groups.items()
    ]
    encoders = sorted({row["encoder"] for row in report["results"]})
    return {
        "measure": measure,
        "encoder": ", ".join(encoders),
        "rows": rows,
        "queries": report["per_query"]["rows"],
        "warnings": report["warnings"],
    }


def description(release: Mapping[str, Any], entities: Sequence[Mapping[str, Any]], made_by: str) -> str:
    """One paragraph on what the data set is."""
    said = "; ".join(
        f"{e['samples']} of {e['title']} ({', '.join(a['name'] for a in e['attributes'])})" for e in entities
    )
    return (
        f"{release['samples']} labelled pictures for conditional image similarity, {said}. Every picture was {made_by} "
        "from a plan that names its labels; none is a photograph."
    )


def made_by(renderer: Mapping[str, Any]) -> str:
    """How the pictures came about, in a few words."""
    if renderer["type"] == "procedural":
        return "drawn by clay-eval's drawing code, without a learned model,"
    return f"made by the text-to-image model {renderer.get('model', renderer['type'])}"


def citation(release: Mapping[str, Any], *, one_author_each: bool = True) -> str:
    """A BibTeX entry. one_author_each: whether "and" within a name is kept from parting it into two authors."""
    authors = [
        f"{{{name}}}" if one_author_each and _AND.search(name) else name
        for name in map(_bibtex, release["authors"])
    ]
    fields = {
        "title": f"{{{_bibtex(release['title'])}}}",
        "author": " and ".join(authors) or "{Not named}",
        "year": release["date"][:4],
        "version": release["version"],
        "url": release["url"],
        "note": f"manifest {release['manifest']}",
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{release['name']},", *lines, "}"])


def _bibtex(text: str) -> str:
    """Text without what is syntax in BibTeX and TeX."""
    return "".join(f"\\{c}" if c in "&%$#_" else "" if c in "{}\\~^" else c for c in text)


def responsible_ai(
    release: Mapping[str, Any], manifest: Mapping[str, Any], texts: Mapping[str, Any]
) -> dict[str, Any]:
    """The properties of the responsible-AI vocabulary, by name without prefix, text or list of texts."""
    counts = manifest["filter"]
    judged = counts["judge"] is not None
    contact = release["contact"]
    return {
        "dataCollection": texts["description"],
        "dataCollectionType": ["Synthetic data", "Software collection"],
        "dataCollectionMissingData": f"{counts['planned']} pictures were planned, {counts['quarantined']} of them are left "
        "out since they were rejected; the balance in data/manifest.json counts every value before and after.",
        "dataCollectionRawData": "Plan, prompts and replies of language models lie in provenance/.",
        "dataPreprocessingProtocol": ["Encoded once as drawn; XMP metadata says how each picture was made."],
        "dataAnnotationProtocol": [
            "Labels are those that the picture was asked for."
            + (
                " A judge model rejected pictures that it read otherwise."
                if judged
                else " No model checked them."
            )
        ],
        "dataAnnotationPlatform": ["clay-eval"],
        "annotationsPerItem": "1",
        "machineAnnotationTools": [f"{m['role']}: {m['name']}" for m in release["models"]] or ["clay-eval"],
        "dataUseCases": ["Testing and validation of conditional image retrieval and similarity."],
        "dataBiases": texts["biases"],
        "dataLimitations": texts["limitations"],
        "dataSocialImpact": "Pictures are synthetic and are marked so in their metadata.",
        "personalSensitiveInformation": [texts["people"]],
        "dataReleaseMaintenancePlan": "Versions are semantic; CHANGELOG.md says what changed. "
        + (f"Faults and requests for removal: {contact}" if contact else "No contact was given."),
    }


def biases(manifest: Mapping[str, Any]) -> list[str]:
    """What the data set is skewed by, as far as its records tell."""
    found = ["Values are balanced by a plan and not as they are in the world."]
    renderer = manifest["renderer"]
    if renderer["type"] != "procedural":
        found.append(
            f"Pictures have the habits of the one model that made them, {renderer.get('model', 'unnamed')}."
        )
    if manifest["filter"]["judge"] is not None:
        found.append(
            "What the judge reads badly was rejected more often, so kept pictures are easier than drawn ones."
        )
    return found


def limitations(manifest: Mapping[str, Any]) -> list[str]:
    """What the data set cannot show, as far as its records tell."""
    renderer = manifest["renderer"]
    found = ["All pictures are synthetic; results on them need not hold on photographs."]
    if renderer["type"] == "procedural" or renderer.get("model") == "embedded":
        found.append(
            "These are small demonstration drawings: they show how methods behave, not how good they are."
        )
    if renderer["type"] != "procedural" and manifest["filter"]["judge"] is None:
        found.append("No judge looked at the pictures, so some may not show their labels.")
    return found


def people(manifest: Mapping[str, Any]) -> str:
    """Whether a picture may show a real person, as far as the records tell."""
    renderer = manifest["renderer"]
    if renderer["type"] == "procedural" or renderer.get("model") == "embedded":
        return "None: pictures are drawings, by code or by a model that saw such drawings only."
    return (
        "No real person sat for a picture. The model that made them may have seen photographs of people, so a likeness "
        "cannot be ruled out."
    )
