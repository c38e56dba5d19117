"""The stage that turns every picture into one vector, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .clusters import one_cluster
from .folders import Progress, silent
from .inputs import Inputs

if TYPE_CHECKING:
    from clay_eval.evaluator.embedding.encoders import Encoder
    from clay_eval.evaluator.embedding.store import EmbedCounts
    from clay_eval.ray.cluster import Resources


def embed(
    inputs: Inputs, progress: Progress = silent, *, resources: Resources | None = None
) -> tuple[EmbedCounts, Encoder]:
    """Embed the pictures that the run's feature store lacks; return the counts and the encoder.

    resources: has it done by workers of the Ray cluster, of this machine where there is none.
    """
    from clay_eval.evaluator.embedding.encoders.names import request
    from clay_eval.schemas.files import locked

    _ = inputs.source  # what cannot be read is refused before anything is locked
    request(inputs.encoder, inputs.precision)
    with one_cluster(resources), locked(inputs.folder.features):
        return inputs.embed(progress, resources)
