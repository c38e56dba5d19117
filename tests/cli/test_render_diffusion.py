"""clay-eval render with learned renderers: which options go together, a whole run with a tiny pipeline, and kill -9."""

from __future__ import annotations

import base64
import io
import json
import shutil
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pipelines
from PIL import Image

from clay_eval.schemas.samples import read_plan
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.verify import verify_shards

TRAINED = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia<"
TWO_SHARDS = """
import time, torch
from clay_eval.generator.render.diffusion import DiffusionRenderer
torch.set_num_threads(1)
render = DiffusionRenderer.render
rendered = []
def stuck(self, samples):
    while len(rendered) >= 4:
        time.sleep(1)
    rendered.extend(samples)
    return render(self, samples)
DiffusionRenderer.render = stuck
"""
"""Two shards of two pictures are stored, and then nothing more ever happens."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Stable Diffusion."""
    return Path(tiny_pipelines.save("sd", tmp_path_factory.mktemp("pipelines") / "tiny-sd"))


@pytest.fixture
def planned(cli: Callable[..., Any], tmp_path: Path) -> Path:
    outcome = cli("plan", "demo-object", "demo-human", "--count", 4, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    return tmp_path / "run"


@pytest.fixture
def options(pipeline: Path) -> list[object]:
    """A quick render of the tiny pipeline."""
    of_pipeline = ["--renderer", "diffusion", "--model", pipeline, "--device", "cpu", "--steps", 1]
    return [*of_pipeline, "--size", 32, "--shard-size", 2, "--format", "png"]


def stored(folder: Path) -> list[Any]:
    return [s for tar in sorted(folder.glob("*.tar")) for s in read_shard(tar)]


def levels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def test_a_whole_run(cli: Callable[..., Any], planned: Path, options: list[object], pipeline: Path) -> None:
    outcome = cli("render", "--out", planned, *options, "--guidance", 3, "--json")
    assert outcome.code == 0, outcome.err
    manifest = json.loads(outcome.out)
    assert verify_shards(planned / "shards").ok
    assert cli("verify", planned).code == 0
    identity = manifest["renderer"]
    assert {k: identity[k] for k in ("type", "pipeline", "model", "size", "steps", "guidance", "dtype")} == {
        "type": "diffusion",
        "pipeline": "StableDiffusionPipeline",
        "model": "tiny-sd",
        "size": 32,
        "steps": 1,
        "guidance": 3.0,
        "dtype": "fp32",
    }
    assert str(pipeline) not in outcome.out
    samples = {s.key: s for s in stored(planned / "shards")}
    plan = {s.key: s for s in read_plan(planned / "plan" / "plan.jsonl")}
    assert samples.keys() == plan.keys()
    assert len(samples) == 8
    for key, sample in samples.items():
        assert sample.record["seed"] == plan[key].seed
        assert sample.record["prompt"] == plan[key].prompt
        assert sample.record["renderer"] == identity
        assert sample.image.count(TRAINED) == 1
    pictures = {s.image for s in samples.values()}
    assert len(pictures) == 8

    times = {p: p.stat().st_mtime_ns for p in (planned / "shards").iterdir() if p.suffix == ".tar"}
    again = cli("render", "--out", planned, *options, "--guidance", 3, "--batch-size", 1)
    assert again.code == 0, "the batch size may change"
    assert {p: p.stat().st_mtime_ns for p in times} == times
    cli("render", "--out", planned, *options, "--guidance", 4).refused(3, "renderer.guidance: 3.0 -> 4.0")


def test_killed_and_run_again(
    cli: Callable[..., Any], start: Callable[..., Any], planned: Path, options: list[object], tmp_path: Path
) -> None:
    shutil.copytree(planned, tmp_path / "whole")
    assert cli("render", "--out", tmp_path / "whole", *options).code == 0
    process = start("render", "--out", planned, *options, before=TWO_SHARDS)
    try:
        while len(list((planned / "shards").glob("*.tar"))) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    kept = {p: p.stat().st_mtime_ns for p in (planned / "shards").glob("*.tar")}
    assert len(kept) == 2
    assert not (planned / "shards" / "manifest.json").exists()
    assert cli("render", "--out", planned, *options).code == 0
    assert {p: p.stat().st_mtime_ns for p in kept} == kept, "finished shards stay"
    assert verify_shards(planned / "shards").ok
    whole, resumed = stored(tmp_path / "whole" / "shards"), stored(planned / "shards")
    assert [s.record for s in resumed] == [s.record for s in whole]
    labels = [folder / "shards" / "labels.csv" for folder in (planned, tmp_path / "whole")]
    assert labels[0].read_bytes() == labels[1].read_bytes()
    for one, other in zip(resumed, whole, strict=True):
        assert np.abs(levels(one.image) - levels(other.image)).max() <= 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--renderer", "procedural", "--steps", 4], ["--steps", "no such option", "diffusion or endpoint"]),
        (["--renderer", "procedural", "--device", "cpu"], ["--device", "--renderer diffusion"]),
        (["--renderer", "procedural", "--margin", 0.1], ["--margin", "no judge"]),
        (["--renderer", "procedural", "--prompt-score", 0.2], ["--prompt-score", "no judge"]),
        (["--model", "m", "--judge", "none", "--vqa", "n"], ["there is no such model"]),
        (["--renderer", "procedural", "--judge", "none", "--vqa", "n"], ["--vqa", "no judge"]),
        (["--renderer", "procedural", "--part", "3/2"], ["--part", "3/2"]),
        (["--renderer", "endpoint"], ["--model", "needs a model"]),
        (["--renderer", "diffusion", "--model", "m", "--base-url", "http://x"], ["--base-url", "endpoint"]),
        (["--renderer", "diffusion", "--model", "m", "--no-extras"], ["--extras"]),
        (["--renderer", "endpoint", "--model", "m", "--batch-size", 2], ["--batch-size", "diffusion"]),
        (["--renderer", "endpoint", "--model", "m", "--trust-remote-code"], ["--trust-remote-code"]),
        (["--renderer", "endpoint", "--model", "m"], ["OPENAI_BASE_URL"]),
        (["--renderer", "diffusion", "--model", "no/such/folder"], ["there is no such model"]),
        (["--renderer", "diffusion", "--model", "m", "--device", "tpu"], ["--device", "unknown device"]),
    ],
)
def test_options_that_do_not_go_together(
    cli: Callable[..., Any],
    planned: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[object],
    said: list[str],
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    cli("render", "--out", planned, *arguments).refused(2, *said)
    assert not (planned / "shards").exists()


def test_no_plan_is_said_before_a_model_is_loaded(
    cli: Callable[..., Any], tmp_path: Path, options: list[object]
) -> None:
    cli("render", "--out", tmp_path / "empty", *options).refused(2, "clay-eval plan")


class _Images(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stream = io.BytesIO()
        image = Image.new("RGB", (32, 32), (request["seed"] % 256, 0, 0))
        image.putpixel((5, 5), (0, 99, 0))
        image.save(stream, "PNG")
        data = json.dumps({"data": [{"b64_json": base64.b64encode(stream.getvalue()).decode()}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...


def test_a_whole_run_over_an_endpoint(
    cli: Callable[..., Any], planned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-mine")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Images)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        asked = ["--renderer", "endpoint", "--model", "org/m", "--base-url", url, "--size", 32]
        outcome = cli("render", "--out", planned, *asked, "--format", "png", "--json")
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
    assert outcome.code == 0, outcome.err
    assert verify_shards(planned / "shards").ok
    samples = stored(planned / "shards")
    assert len(samples) == 8
    for sample in samples:
        assert levels(sample.image)[0, 0].tolist() == [sample.record["seed"] % 256, 0, 0]
        assert sample.record["renderer"]["model"] == "org/m"
        assert sample.image.count(TRAINED) == 1
    everything = b"".join(p.read_bytes() for p in planned.rglob("*") if p.is_file())
    assert b"sk-secret" not in everything
    assert b"127.0.0.1" not in everything
