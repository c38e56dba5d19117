"""Vision-language models from folders: what is refused, and what their identity says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clay_eval.generator.alignment.vqa_loading import load_model
from clay_eval.schemas.errors import InputError, IntegrityError

pytestmark = pytest.mark.usefixtures("one_thread")


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_identity_follows_the_weights_and_the_configuration(llava: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    facts = load_model(str(llava), "cpu").facts
    moved = Path(shutil.copytree(llava, tmp_path / "elsewhere" / "llava"))
    assert load_model(str(moved), "cpu").facts == facts
    edit(moved / "tokenizer_config.json", model_max_length=100)
    other = load_model(str(moved), "cpu").facts
    assert other["configuration_sha256"] != facts["configuration_sha256"]
    assert other["weights_sha256"] == facts["weights_sha256"]
    weights = load_file(llava / "model.safetensors")
    name = sorted(weights)[0]
    save_file({**weights, name: weights[name] + 1}, llava / "model.safetensors", {"format": "pt"})
    assert load_model(str(llava), "cpu").facts["weights_sha256"] != facts["weights_sha256"]
    assert "/" not in json.dumps(dict(facts))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_pickled_weights_are_refused_and_never_read(llava: Path, tmp_path: Path) -> None:
    import pickle

    (llava / "model.safetensors").unlink()
    (llava / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(InputError, match="reading it may run code") as caught:
        load_model(str(llava), "cpu")
    assert caught.value.found == "pytorch_model.bin"
    assert not (tmp_path / "exploded").exists()


def test_code_that_comes_with_a_model_is_not_run(llava: Path, tmp_path: Path) -> None:
    (llava / "own.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\nclass C: pass\n")
    edit(
        llava / "config.json",
        model_type="of-its-own",
        auto_map={"AutoConfig": "own.C", "AutoModelForImageTextToText": "own.C"},
    )
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(llava), "cpu")
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_not_made_up(llava: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(llava / "model.safetensors")
    gone = next(name for name in sorted(weights) if "q_proj" in name)
    save_file({n: w for n, w in weights.items() if n != gone}, llava / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="random numbers"):
        load_model(str(llava), "cpu")


def test_weights_of_another_shape_are_refused(llava: Path) -> None:
    config = json.loads((llava / "config.json").read_text())
    edit(llava / "config.json", text_config={**config["text_config"], "intermediate_size": 64})
    with pytest.raises(InputError):
        load_model(str(llava), "cpu")


def test_cut_weights_are_damaged(llava: Path) -> None:
    file = llava / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="cut short"):
        load_model(str(llava), "cpu")


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_remove("config.json"), "not a model of transformers"),
        (_remove("model.safetensors"), "has no weights"),
        (_remove("tokenizer.json"), "cannot be loaded"),
        (_remove("processor_config.json"), "cannot be loaded|no pictures"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
        (lambda folder: edit(folder / "config.json", model_type="bert"), "cannot be loaded"),
    ],
)
def test_an_incomplete_folder_is_refused(llava: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(llava)
    with pytest.raises(InputError, match=said):
        load_model(str(llava), "cpu")


def test_a_language_model_without_eyes_is_refused(vlms: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokens = AutoTokenizer.from_pretrained(vlms("llava"))
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "blind")
    tokens.save_pretrained(tmp_path / "blind")
    with pytest.raises(InputError):
        load_model(str(tmp_path / "blind"), "cpu")


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/none/such"])
def test_a_name_that_is_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"no such (model|file or folder)"):
        load_model(name, "cpu")


def test_only_safe_files_are_fetched_and_no_network_is_said(
    llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[Any] = []

    def fetch(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(llava)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    facts = load_model("someone/model", "cpu").facts
    assert (facts["model"], facts["revision"]) == ("someone/model", "llava")
    assert asked[0][0] == "someone/model"
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in asked[0][1])

    def offline(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network here")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(InputError, match="could not be fetched") as caught:
        load_model("someone/model", "cpu")
    assert "no network here" in str(caught.value)
