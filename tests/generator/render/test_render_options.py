"""Options of the rendering stage that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.errors import InputError


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"image_format": "gif"}, "--format"),
        ({"shard_size": 0}, "--shard-size"),
        ({"batch_size": 0}, "--batch-size"),
        ({"attempts": 0}, "--attempts"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        RenderOptions(**options)
    assert where in str(caught.value.where)
