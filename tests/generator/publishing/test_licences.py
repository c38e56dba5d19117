"""What licences of models allow, refuse or leave open, and which models a run says it used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from clay_eval.generator.publishing.licences import (
    Stated,
    data_licence,
    hub_licence,
    licensed_models,
    refuse_other_licence,
)
from clay_eval.generator.publishing.models import FOLDER, HUB, OURS, Model, models_of
from clay_eval.schemas.errors import InputError, IntegrityError

TABLE = json.loads(
    resources.files("clay_eval.generator.publishing").joinpath("model_licences.json").read_text("utf-8")
)
SCHNELL = Model("renderer", "black-forest-labs/FLUX.1-schnell", "c" * 40, "sha256 " + "0" * 64, HUB)
DEV = Model("renderer", "black-forest-labs/FLUX.1-dev", source=HUB)
TURBO = Model("renderer", "stabilityai/sdxl-turbo", source=HUB)
MINE = Model("renderer", "my-sd", source=FOLDER)


def only(model: Model, licence: str = "CC-BY-4.0", **stated: Any) -> dict[str, Any]:
    (found,) = licensed_models([model], Stated(**stated), licence)
    return found.record


def refused(model: Model, *said: str, licence: str = "CC-BY-4.0", **stated: Any) -> None:
    with pytest.raises(InputError) as error:
        only(model, licence, **stated)
    for text in said:
        assert text in str(error.value), f"{text!r} is not in:\n{error.value}"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "LICENSE"
    path.write_text("You may.\n")
    return path


def test_the_table_is_whole() -> None:
    for line in TABLE["models"]:
        assert line["licence"] in TABLE["licences"]
        assert line["role"] in ("renderer", "planner")
    for name, facts in TABLE["licences"].items():
        assert (
            {"title", "url", "outputs", "allows"}
            <= facts.keys()
            <= {"title", "url", "outputs", "allows", "sha256", "noncommercial"}
        )
        assert facts["outputs"] in ("free", "conditions", "restricted"), name
        assert facts["url"].startswith("https://")
    for name in TABLE["data"]:
        assert data_licence(name.lower()) == data_licence(name)
        assert hub_licence(name) == hub_licence(name).lower()


def test_no_free_licence_is_given_to_a_folder_or_to_a_stranger() -> None:
    """Patterns of free licences name an owner on the Hub; those of restricted ones match copies in folders, too."""
    for line in TABLE["models"]:
        outputs = TABLE["licences"][line["licence"]]["outputs"]
        if line["role"] == "renderer" and outputs != "restricted":
            assert "/" in line["match"]
            assert not line["match"].startswith("*")
    restricted = [
        m["match"] for m in TABLE["models"] if TABLE["licences"][m["licence"]]["outputs"] == "restricted"
    ]
    for name in (
        "FLUX.1-dev",
        "black-forest-labs/FLUX.1-Krea-dev",
        "my-FLUX.1-dev-lora",
        "stable-diffusion-3.5-large",
    ):
        assert any(fnmatchcase(name.casefold(), match.casefold()) for match in restricted), name


def test_a_free_licence_passes() -> None:
    record = only(SCHNELL)
    assert (record["licence"]["id"], record["outputs"], record["accepted"]) == ("apache-2.0", "free", False)
    assert (record["revision"], record["digest"]) == (SCHNELL.revision, SCHNELL.digest)
    assert record["text"]["path"] is None
    assert only(Model("renderer", "embedded", source=OURS))["licence"]["id"] == "apache-2.0"


def test_a_restricted_licence_needs_its_text_and_a_word(text: Path) -> None:
    name = DEV.name
    refused(DEV, "restricts", "--model-licence", "--accept-licence", "FLUX.1-schnell")
    refused(DEV, "--accept-licence", texts={name: text})
    refused(DEV, "--model-licence", accepted=[name])
    record = only(DEV, texts={name: text}, accepted=[name])
    assert (record["outputs"], record["accepted"]) == ("restricted", True)
    assert record["text"] == {
        "path": "licences/renderer-black-forest-labs-FLUX.1-dev.txt",
        "sha256": hashlib.sha256(b"You may.\n").hexdigest(),
    }


def test_what_is_not_for_commerce_stays_so(text: Path) -> None:
    stated: dict[str, Any] = {"texts": {TURBO.name: text}, "accepted": [TURBO.name]}
    refused(TURBO, "CC-BY-NC-4.0", licence="CC-BY-4.0", **stated)
    refused(TURBO, "CC-BY-NC-4.0", licence="CC0-1.0", **stated)
    assert only(TURBO, "CC-BY-NC-SA-4.0", **stated)["outputs"] == "restricted"


def test_an_unknown_licence_is_not_guessed(text: Path) -> None:
    refused(MINE, "not known", '--model-licence "my-sd=FILE"')
    refused(Model("renderer", "FLUX.1-schnell", source=FOLDER), "not known", "says nothing")
    refused(Model("planner", "some-llm", source=FOLDER), "planner some-llm")
    record = only(MINE, texts={"my-sd": text})
    assert (record["licence"]["id"], record["outputs"]) == ("unknown", "stated")


def test_a_judge_binds_nobody() -> None:
    record = only(Model("judge", "ViT-L-14:some", source=FOLDER))
    assert record["outputs"] == "unknown"


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (SCHNELL, {"allows": "Anything."}),
        (SCHNELL, {"licence": {"id": "mit", "title": "MIT License", "url": None}}),
        (SCHNELL, {"text": None}),
        (DEV, {"outputs": "free"}),
        (DEV, {"accepted": False}),
        (DEV, {"text": None}),
        (DEV, {"licence": {"id": "unknown", "title": "not known to clay-eval", "url": None}}),
        (MINE, {"text": None, "outputs": "unknown"}),
        (MINE, {"outputs": "free"}),
        (Model("judge", "some-judge"), {"allows": "Anything."}),
    ],
)
def test_a_release_says_of_a_licence_what_the_table_says(
    text: Path, model: Model, changes: Mapping[str, Any]
) -> None:
    stated = {"texts": {model.name: text}, "accepted": [model.name]} if model in (DEV, MINE) else {}
    said = only(model, **stated)
    assert refuse_other_licence(model, said, "CC-BY-4.0") is None
    with pytest.raises(InputError):
        refuse_other_licence(model, {**said, **changes}, "CC-BY-4.0")


def test_a_release_may_not_allow_what_a_model_forbids(text: Path) -> None:
    said = only(TURBO, "CC-BY-NC-4.0", texts={TURBO.name: text}, accepted=[TURBO.name])
    assert refuse_other_licence(TURBO, said, "CC-BY-NC-4.0") is None
    with pytest.raises(InputError, match="forbids"):
        refuse_other_licence(TURBO, said, "CC-BY-4.0")


def test_a_licence_of_a_model_that_is_no_longer_known_is_noted() -> None:
    """The pipeline that came with an older version has other weights than the one of today."""
    said = only(Model("renderer", "embedded", source=OURS))
    noted = refuse_other_licence(Model("renderer", "embedded"), said, "CC-BY-4.0")
    assert noted is not None
    assert "not checked" in noted


def test_what_is_said_of_models_that_were_not_used_is_refused(text: Path, tmp_path: Path) -> None:
    refused(SCHNELL, "--model-licence", "other", texts={"other": text})
    refused(SCHNELL, "--accept-licence", "other", accepted=["other"])
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    refused(MINE, "empty", texts={"my-sd": empty})
    refused(MINE, "not found", texts={"my-sd": tmp_path / "none"})


def manifest(renderer: Mapping[str, Any], judge: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"renderer": renderer, "filter": {"judge": judge}}


def test_models_are_read_from_the_records(tmp_path: Path) -> None:
    calls = tmp_path / "llm" / "calls"
    calls.mkdir(parents=True)
    for number, name in enumerate(["gpt-x", "Qwen/Qwen3-4B", "gpt-x"]):
        (calls / f"{number}.json").write_text(json.dumps({"model": name, "reply": {}}))
    encoder = {"name": "embedded-judge", "demonstration": True, "weights_sha256": "e" * 64}
    vqa = {"type": "vqa", "model": "org/vlm", "revision": "abc"}
    judge = {"type": "combined", "judges": [{"type": "zero-shot", "encoder": encoder}, vqa]}
    renderer = {"type": "diffusion", "model": "org/sd", "revision": "def", "weights_sha256": "d" * 64}
    assert models_of(manifest(renderer, judge), tmp_path) == [
        Model("renderer", "org/sd", "def", f"sha256 {'d' * 64}", HUB),
        Model("planner", "gpt-x", source=FOLDER),
        Model("planner", "Qwen/Qwen3-4B", source=HUB),
        Model("judge", "embedded-judge", None, f"sha256 {'e' * 64}", OURS),
        Model("judge", "org/vlm", "abc", None, HUB),
    ]
    assert models_of(manifest({"type": "procedural"}), tmp_path / "none") == []
    (calls / "9.json").write_text("[]")
    with pytest.raises(IntegrityError, match="names no model"):
        models_of(manifest(renderer), tmp_path)


def test_only_the_pipeline_that_comes_with_the_package_is_ours() -> None:
    """A folder that is called embedded is a stranger's, whatever it is called."""
    from clay_eval.generator.render.embedded import load_embedded

    identity = load_embedded().identity
    (ours,) = models_of(manifest(identity), Path("none"))
    assert ours.source == OURS
    (other,) = models_of(manifest({**identity, "weights_sha256": "0" * 64}), Path("none"))
    assert other.source == FOLDER
    refused(other, "not known")
