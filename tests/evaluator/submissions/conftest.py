"""Submissions of methods on made-up pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submission_world import Pictures, Vectors, evaluation_of

from clay_eval.evaluator.methods.support.specs import Method
from clay_eval.evaluator.submissions.pack import About, Form, pack_submission
from clay_eval.evaluator.submissions.record import score_submission

Submit = Callable[..., Path]


@pytest.fixture(scope="session")
def submit(tmp_path_factory: pytest.TempPathFactory) -> Submit:
    """Pack `spec` as a submission: (spec, form, **settings) -> folder."""

    def pack(
        spec: str | Method, form: Form | None = None, *, to: Path | None = None, **settings: Any
    ) -> Path:
        folder = to or tmp_path_factory.mktemp("submissions") / "one"
        about, replace = settings.pop("about", About("a method")), settings.pop("replace", False)
        evaluation = evaluation_of(spec, **settings)
        pack_submission(
            evaluation, Vectors(), folder, about, form, replace=replace, split=settings.get("split_file")
        )
        return folder

    return pack


@pytest.fixture(scope="session")
def clay_folder(submit: Submit) -> Path:
    """A submission of CLAY. Not to be altered: `clay_copy` is for that."""
    return submit("clay(n_components=4)")


@pytest.fixture
def clay_copy(clay_folder: Path, tmp_path: Path) -> Path:
    """A copy of `clay_folder`."""
    return Path(shutil.copytree(clay_folder, tmp_path / "clay"))


@pytest.fixture(scope="session")
def score() -> Callable[..., dict[str, Any]]:
    """Score a submission on made-up pictures."""

    def scored(folder: Path, source: Any = None, **options: Any) -> dict[str, Any]:
        return score_submission(folder, source or Pictures(), **options)

    return scored
