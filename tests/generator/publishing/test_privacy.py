"""Folders of the publisher's machine are found in what is published as it came in."""

from __future__ import annotations

from pathlib import Path

import pytest

from clay_eval.generator.publishing.privacy import naming_folders, private_folders


def test_a_folder_is_found_wherever_it_stands(tmp_path: Path) -> None:
    calls = tmp_path / "provenance" / "calls"
    calls.mkdir(parents=True)
    wanted = "/home/somebody"
    (calls / "a.json").write_text('{"model": "/home/somebody/x.gguf"}')
    (calls / "b.json").write_text('{"model": "/home/else/x.gguf"}')
    (calls / "c.json").write_bytes(b"x" * ((1 << 20) - 5) + wanted.encode())
    (calls / "d.json").write_text("")
    (tmp_path / "README.md").write_text(wanted)
    assert naming_folders(tmp_path, [wanted]) == ["provenance/calls/a.json", "provenance/calls/c.json"]
    assert naming_folders(tmp_path, []) == []


def test_all_that_came_as_it_was_is_looked_through(tmp_path: Path) -> None:
    """Reports name where a method failed, samples what drew them."""
    wanted = "/home/somebody"
    paths = ["baselines/report.json", "data/things-test-00000.tar", "provenance/render.json"]
    for path in paths:
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(f"failed in {wanted}/method.py line 3")
    assert naming_folders(tmp_path, [wanted]) == paths


def test_roots_are_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")
    assert "/root" not in private_folders()
    monkeypatch.setenv("HOME", "/home/somebody")
    assert "/home/somebody" in private_folders()
