"""`clay-eval publish`: from a run to a folder that can be given away, and every refusal with its way out."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_in_hub import StandInHub

from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.release import read_release
from clay_eval.schemas.validate import read_sealed

Cli = Callable[..., Any]
SAID = ("--version", "1.0.0", "--date", "2026-11-25")


@pytest.fixture(scope="module")
def release(cli: Cli, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of `finished`. Not to be altered."""
    target = tmp_path_factory.mktemp("cli") / "release"
    outcome = cli("publish", "--out", finished, "--to", target, *SAID, "--author", "A", "--copy", "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert record["digest"] == file_sha256(target / "release.json")
    assert (record["version"], record["samples"], record["uploaded"]) == ("1.0.0", 120, None)
    assert [line.split()[0] for line in record["lacking"]] == ["there", "there"]
    return target


def test_a_release_is_whole_and_verified_like_a_run(cli: Cli, release: Path) -> None:
    outcome = cli("verify", release)
    assert outcome.code == 0, outcome.out
    assert "a release of 120 samples" in outcome.out
    digest = file_sha256(release / "release.json")
    assert f"digest of this release: {digest}" in outcome.out
    assert "note: permissions, owners and times of files" in outcome.out
    assert cli("verify", release, "--no-decode", "--digest", digest).code == 0
    record = json.loads(cli("verify", release, "--json", "--digest", "0" * 64).out)
    assert (record["ok"], record["digest"], len(record["faults"])) == (False, digest, 1)


def test_a_damaged_release_ends_in_exit_code_4(cli: Cli, release: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(release, tmp_path / "r"))
    (copy / "datasheet.md").write_text("mine")
    outcome = cli("verify", copy)
    assert outcome.code == 4
    assert "datasheet.md" in outcome.out
    (copy / "release.json").unlink()
    outcome = cli("verify", copy, "--json")
    assert outcome.code == 4
    assert json.loads(outcome.out)["digest"] is None
    cli("verify", copy / "data", "--digest", "0" * 64).refused(2, "--digest")


def test_baselines_go_along(finished: Path, release: Path) -> None:
    report = read_sealed(release / "baselines" / "report.json", "report")
    assert read_release(release)["report"] == report["fingerprint"]
    for name, of in (("per_query.csv", "per_query.csv"), ("report.json", "report.json")):
        assert (release / "baselines" / name).read_bytes() == (finished / "report" / of).read_bytes()
    lines = (release / "baselines" / "results.csv").read_text().splitlines()
    assert len(lines) == 1 + len(report["results"])
    card = (release / "README.md").read_text()
    assert "## Baselines" in card
    assert "| demo-human | clay |" in card


def test_the_pictures_can_be_evaluated_by_whoever_has_them(
    cli: Cli, release: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    options = ("--encoder", tiny_encoder, "--method", "raw", "--entity", "demo-object")
    outcome = cli("evaluate", "--data", release / "data", "--out", tmp_path / "mine", *options)
    assert outcome.code == 0, outcome.err
    assert cli("verify", release).code == 0


def test_a_report_of_other_pictures_is_refused(
    cli: Cli, a_run: Path, object_run: Path, tmp_path: Path
) -> None:
    shutil.rmtree(a_run / "report")
    shutil.copytree(object_run / "report", a_run / "report")
    target = tmp_path / "to"
    cli("publish", "--out", a_run, "--to", target, *SAID).refused(4, "other pictures", "--no-baselines")
    outcome = cli("publish", "--out", a_run, "--to", target, *SAID, "--no-baselines")
    assert outcome.code == 0, outcome.err
    assert not (target / "baselines").exists()
    assert "there are no baselines" in outcome.out
    assert cli("verify", target).code == 0
    (a_run / "report" / "per_query.csv").unlink()
    shutil.copy(object_run / "report" / "report.json", a_run / "report")
    cli("publish", "--out", a_run, "--to", tmp_path / "b", *SAID).refused(4, "--replace")


def test_refusals_of_the_command(
    cli: Cli, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = ("publish", "--out", finished, "--to", tmp_path / "r")
    cli(*start, "--version", "1.0.0").refused(2, "--date")
    cli(*start, *SAID, "--model-licence", "no-file").refused(2, "MODEL=FILE")
    cli(*start, *SAID, "--previous", tmp_path / "none").refused(2, "no release here")
    cli("publish", "--out", tmp_path / "none", "--to", tmp_path / "r", *SAID).refused(2, "no shards here")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    cli(*start, *SAID, "--push", "org/data").refused(2, "HF_TOKEN")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inside", ["plan/r", "shards/r", "parts/r", "linked/r"])
def test_a_release_is_not_made_among_the_files_of_the_run(cli: Cli, a_run: Path, inside: str) -> None:
    """Shards beside a release are not whole, and the next release would hold the one that lies in the plan."""
    (a_run / "linked").symlink_to(a_run / "shards")
    cli("publish", "--out", a_run, "--to", a_run / inside, *SAID).refused(2, "--to", "outside")
    assert cli("verify", a_run, "--no-decode").code == 0


def test_a_wrong_version_is_refused(cli: Cli, finished: Path, release: Path, tmp_path: Path) -> None:
    start = (
        "publish",
        "--out",
        finished,
        "--to",
        tmp_path / "r",
        "--previous",
        release,
        "--date",
        "2026-12-01",
    )
    cli(*start, "--version", "1.1.0").refused(2, "1.0.1 after 1.0.0", "no record was added")
    outcome = cli(*start, "--version", "1.0.1", "--note", "a better card", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["changes"]["kind"] == "patch"
    assert "- a better card" in (tmp_path / "r" / "CHANGELOG.md").read_text()


def test_push_uploads_what_was_made(
    start: Callable[..., Any], finished: Path, release: Path, tmp_path: Path
) -> None:
    with StandInHub() as hub:
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "hf_secret",
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
        }
        target = tmp_path / "r"
        process = start(
            "publish", "--out", finished, "--to", target, *SAID, "--push", "org/data", **environment
        )
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "uploaded: " in out
    assert err.index("note: nobody is named as author") < err.rindex("upload"), "told before the upload"
    assert "hf_secret" not in out + err
    assert hub.files.keys() == {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()}
    assert read_release(target)["url"] == "https://huggingface.co/datasets/org/data"
    assert 'load_dataset("org/data", "demo-object"' in (target / "README.md").read_text()


def test_entities_with_other_attributes_share_one_record_set(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """mlcroissant gives None where an entity has no such attribute; datasets has a configuration an entity."""
    import datasets
    import mlcroissant
    from etils import epath
    from mlcroissant._src.operation_graph.operations import extract

    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "croissant"))
    dataset = mlcroissant.Dataset(release / "croissant.json")
    assert (dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.warnings) == (set(), set())
    records = list(dataset.records("samples"))
    assert len(records) == 120
    for record in records:
        is_human = record["samples/entity"] == b"demo-human"
        assert (record["samples/age"] is not None) == is_human
        assert (record["samples/color"] is None) == is_human
    assert [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"] == []
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert datasets.get_dataset_config_names(str(release)) == ["demo-object", "demo-human"]
    for name in ("demo-object", "demo-human"):
        rows = datasets.load_dataset(str(release), name, split="test", cache_dir=str(tmp_path / "hf"))
        assert {row["json"]["entity"] for row in rows} == {name}
        assert len(rows) == 60


@pytest.mark.parametrize("option", [True, False])
def test_a_release_with_a_key_is_refused(
    cli: Cli, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: bool
) -> None:
    key = "sk-known-0123456789"
    more: tuple[object, ...] = ()
    if option:
        (tmp_path / "key").write_text(key + "\n")
        more = ("--llm-key-file", tmp_path / "key")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    command = ("publish", "--out", finished, "--to", tmp_path / "r", *SAID, *more)
    outcome = cli(*command, "--note", f"drawn with {key}")
    assert outcome.code == 2
    assert "a key or password stands in what would be published" in outcome.err
    assert "CHANGELOG.md" in outcome.err
    assert key not in outcome.err
    assert not (tmp_path / "r").exists()
    assert cli(*command, "--note", "drawn").code == 0


@pytest.mark.parametrize(
    ("proxy", "said"),
    [("socks5://u:hunter22@127.0.0.1:9", "socksio"), ("gopher://127.0.0.1", "this is no proxy")],
)
def test_a_proxy_of_no_use_is_named(
    cli: Cli, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    if said == "socksio" and importlib.util.find_spec("socksio"):
        pytest.skip("socksio is installed")
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    monkeypatch.setenv("ALL_PROXY", proxy)
    outcome = cli("publish", "--out", finished, "--to", tmp_path / "r", *SAID, "--push", "org/data")
    assert outcome.code == 2
    assert said in outcome.err
    assert "ALL_PROXY" in outcome.err
    assert "hunter22" not in outcome.err
