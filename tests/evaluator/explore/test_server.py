"""The guards and the routes: who is answered, what may be asked, and what an answer never says."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explore_world import (
    HOSTILE,
    MANIFEST,
    TOKEN,
    WordEncoder,
    collection,
    explorer,
    features,
    png,
    workbench,
)
from PIL import Image
from starlette.testclient import TestClient

from clay_eval.evaluator.explore import server
from clay_eval.evaluator.explore.explorer import Explorer
from clay_eval.evaluator.explore.missing import GivenTexts
from clay_eval.evaluator.explore.server import application
from clay_eval.evaluator.explore.serving import address, bound
from clay_eval.evaluator.explore.thumbnails import Thumbnails
from clay_eval.evaluator.explore.workbench import METHODS, Workbench
from clay_eval.generator.review.decisions import read_decisions
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.texts import load_texts

HOST = "http://127.0.0.1:8000"
API = f"/{TOKEN}/api/things"


def client_of(of: Explorer, base: str = HOST) -> TestClient:
    return TestClient(application(of, TOKEN), base_url=base, raise_server_exceptions=False)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with client_of(explorer()) as opened:
        yield opened


def asked(weights: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    return {"query": 4, "weights": weights or {}, "methods": list(METHODS[:2]), "top": 6, **changes}


def test_the_page_is_served_behind_the_token(client: TestClient) -> None:
    page = client.get(f"/{TOKEN}/")
    assert page.status_code == 200
    assert "made up" in page.text
    for path in (
        "/",
        "/index.html",
        f"/{TOKEN[:-1]}/",
        f"/{TOKEN}x/",
        "/api/about",
        f"/{TOKEN}",
        f"//{TOKEN}/",
    ):
        assert client.get(path).status_code in (404, 421), path
    assert client.get("/favicon.ico").status_code == 204


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "127.0.0.1:80@evil.example",
        "",
        "[::1]",
        "192.168.0.1:8000",
    ],
)
def test_another_host_is_not_answered(client: TestClient, host: str) -> None:
    assert client.get(f"/{TOKEN}/api/about", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:9000", "127.0.0.1", "LOCALHOST"])
def test_this_machine_is_answered_at_any_port(client: TestClient, host: str) -> None:
    assert client.get(f"/{TOKEN}/api/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:8000]"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_requests_from_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post(f"{API}/neighbours", json=asked(), headers=headers)
    assert answer.status_code == 403
    assert client.get(f"{API}/picture/0/small", headers=headers).status_code == 403


def test_numbers_that_no_float_holds_are_refused_in_words(client: TestClient) -> None:
    for number in ("1" + 400 * "0", "-1" + 400 * "0", "1e999"):
        question = json.dumps(asked({"color": 1})).replace('"color": 1', f'"color": {number}')
        answer = client.post(f"{API}/neighbours", content=question)
        assert answer.status_code == 400, number[:9]
        assert "too large a number" in answer.json()["error"]["found"]
        assert len(answer.text) < 300


def test_a_condition_that_goes_while_texts_are_written_does_not_stop_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = workbench()

    def while_another_removes(entity: str, conditions: dict[str, Any]) -> dict[str, Any]:
        bench.remove("color")
        return {"entity": entity, "conditions": list(conditions)}

    monkeypatch.setattr("clay_eval.evaluator.explore.explorer.texts_record", while_another_removes)
    assert explorer(bench).texts("things")["conditions"] == ["color", "shape"]


def test_a_link_may_lead_to_the_page(client: TestClient) -> None:
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get(f"/{TOKEN}/", headers=visit).status_code == 200
    assert client.post(f"{API}/neighbours", json=asked(), headers=visit).status_code == 403


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    paths = (
        f"/{TOKEN}/",
        f"/{TOKEN}/api/about",
        f"{API}/picture/0/small",
        "/",
        f"/{TOKEN}/nowhere",
        f"{API}/picture/999/small",
    )
    for path in paths:
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        assert "script-src 'sha256-" in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_the_page_asks_for_nothing_outside(client: TestClient) -> None:
    page = client.get(f"/{TOKEN}/").text
    assert "http://" not in page.replace("http://127.0.0.1", "")
    assert "https://" not in page
    assert "innerHTML" not in page
    assert "<noscript>" in page


@pytest.mark.parametrize(
    "path",
    [
        "/picture/0/../../../../etc/passwd",
        "/picture/..%2f..%2fetc%2fpasswd/small",
        "/picture/%2e%2e/small",
        "/picture/-1/small",
        "/picture/999999/small",
        "/picture/99999999999999999999999/small",
        "/picture/0/huge",
        "/picture/0/small/../../x",
        "/uploaded/..%2f..%2fetc%2fpasswd/small",
        "/uploaded/upload-0/small",
        "/../../etc/passwd",
    ],
)
def test_no_path_leads_to_the_disk(client: TestClient, path: str) -> None:
    answer = client.get(API + path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert str(Path.cwd()) not in answer.text


def test_pictures_are_small_jpegs_by_row_and_nothing_else(client: TestClient) -> None:
    answer = client.get(f"{API}/picture/3/small")
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= 224


def test_hostile_names_are_data(client: TestClient) -> None:
    (first,) = client.get(f"{API}/find?row=0").json()
    assert first["name"] == HOSTILE.replace("\u202e", " ")
    with client_of(
        Explorer({"things": workbench()}, "</title><script>alert(1)</script>", "words")
    ) as hostile:
        page = hostile.get(f"/{TOKEN}/").text
    assert "<script>alert(1)" not in page
    assert page.count("<script>") == 1


def test_neighbours_come_with_the_time_they_took(client: TestClient) -> None:
    answer = client.post(f"{API}/neighbours", json=asked({"color": 1}))
    assert answer.headers["server-timing"].startswith("order;dur=")
    assert [len(one["rows"]) for one in answer.json()["methods"]] == [6, 6]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"query": 0, "query": 1}',
        b'{"query": true, "methods": ["raw"]}',
        b'{"query": 1.5, "methods": ["raw"]}',
        b'{"query": 0, "methods": "raw"}',
        b'{"query": 0, "methods": []}',
        b'{"query": 0, "methods": ["raw", "raw", "raw"]}',
        b'{"query": 0, "methods": ["raw"], "weights": {"color": "1"}}',
        b'{"query": 0, "methods": ["raw"], "weights": {"color": true}}',
        b'{"query": 0, "methods": ["raw"], "weights": {"color": NaN}}',
        b'{"query": 0, "methods": ["raw"], "weights": [1]}',
        b'{"query": 0, "methods": ["raw"], "top": "all"}',
        b'{"query": 0, "methods": ["raw"], "top": 1000000000}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_requests_that_make_no_sense_are_refused_in_words(client: TestClient, body: bytes) -> None:
    answer = client.post(f"{API}/neighbours", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["what"]


def test_unknown_entities_and_formats_are_refused(client: TestClient) -> None:
    assert client.get(f"/{TOKEN}/api/nothing/find").status_code == 400
    assert client.post(f"{API}/selection/exe", json={"rows": [0]}).status_code == 400
    assert client.post(f"{API}/selection/csv", json={"rows": "all"}).status_code == 400
    assert client.get(f"{API}/neighbours").status_code == 405


def test_an_upload_becomes_the_query(client: TestClient) -> None:
    name = client.post(f"{API}/upload", content=png("blue")).json()["query"]
    answer = client.post(f"{API}/neighbours", json=asked({"color": 1}, query=name)).json()
    assert answer["query"]["values"]["color"][0] == "blue"
    assert client.get(f"{API}/uploaded/{name}/small").headers["content-type"] == "image/jpeg"


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that unpacks to side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 5000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bomb(60_000), "too large to decode"),
        (bomb(300), "damaged or cut short"),
        (b"<svg onload=alert(1)>", "not a picture"),
        (b"", "not a picture"),
        (b"MZ" + bytes(2000), "not a picture"),
    ],
)
def test_uploads_are_decoded_as_strangers_pictures(client: TestClient, data: bytes, said: str) -> None:
    answer = client.post(f"{API}/upload", content=data)
    assert answer.status_code in (400, 409)
    assert said in answer.json()["error"]["what"]


def test_uploads_are_capped_whether_announced_or_not(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_PICTURE", 1 << 20)

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    for content in (bytes(2 << 20), pieces()):
        answer = client.post(f"{API}/upload", content=content)
        assert answer.status_code == 413
        assert "too large" in answer.json()["error"]["what"]


def test_conditions_are_added_looked_at_edited_and_forgotten(client: TestClient) -> None:
    place = f"{API}/conditions/mood"
    added = client.post(place, json={"values": ["calm", "wild"]}).json()
    assert (added["name"], added["values"]) == ("mood", ["calm", "wild"])
    assert [text["value"] for text in client.get(place).json()] == ["calm", "wild"]
    edited = [{"value": "calm", "text": "a calm thing"}, {"value": "loud", "text": "a loud thing"}]
    assert client.post(place, json={"texts": edited}).json()["values"] == ["calm", "loud"]
    assert client.get(place).json() == [{"text": e["text"], "value": e["value"]} for e in edited]
    assert client.delete(place).status_code == 200
    assert client.get(place).status_code == 400


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("mood", {"values": ["calm"]}, "single value"),
        ("mood", {"values": []}, "single value"),
        ("mood", {"values": [str(i) for i in range(10_000)]}, "too many values"),
        ("mood", {"values": "calm"}, ""),
        ("mood", {"values": [1, 2]}, "not a condition"),
        ("mood", {"texts": [{"text": "a"}, {"value": "b"}]}, "condition texts"),
        ("mood", {"texts": [{"text": "a", "value": "b", "x": "y"}]}, "condition texts"),
        ("Not A Name", {"values": ["a", "b"]}, "name"),
        ("x" * 100, {"values": ["a", "b"]}, "name"),
    ],
)
def test_conditions_that_are_none_are_refused(client: TestClient, name: str, body: Any, said: str) -> None:
    answer = client.post(f"{API}/conditions/{name}", json=body)
    assert answer.status_code == 400
    assert said in json.dumps(answer.json()["error"])


def test_vectors_without_an_encoder_say_which_texts_are_missing() -> None:
    class Given:
        texts, identity, logit_scale, dimension = None, {"name": "x"}, 100.0, 24

    bench = Workbench(collection(read=None), features(collection()), GivenTexts(Given()), embeds=False)  # type: ignore[arg-type]
    with client_of(explorer(bench)) as client:
        answer = client.post(f"{API}/conditions/color", json={"values": ["red", "blue"]})
        assert answer.status_code == 400
        assert answer.json()["error"]["texts"] == ["a photo of red", "a photo of blue"]
        assert "--text-features" in answer.json()["error"]["hint"]
        assert client.post(f"{API}/upload", content=png("red")).status_code == 400
        assert "without pictures" in client.get(f"{API}/picture/0/small").json()["error"]["what"]
        assert client.post(f"{API}/neighbours", json=asked()).status_code == 200


def test_data_that_changed_is_said_without_its_path(tmp_path: Path) -> None:
    def read(row: int) -> bytes:
        raise IntegrityError(
            "a picture changed while it was in use", where=tmp_path / "secret" / "a.png", hint="run again"
        )

    with client_of(explorer(workbench(read=read), private=[str(tmp_path)])) as client:
        answer = client.get(f"{API}/picture/0/small")
    assert answer.status_code == 409
    assert "changed" in answer.json()["error"]["what"]
    assert str(tmp_path) not in answer.text


def test_a_fault_of_ours_shows_no_traceback() -> None:
    def read(row: int) -> bytes:
        raise RuntimeError("/root/secret")

    with client_of(explorer(workbench(read=read))) as client:
        answer = client.get(f"{API}/picture/0/small")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_selections_come_as_keys_with_labels(client: TestClient) -> None:
    answer = client.post(f"{API}/selection/csv", json={"rows": [5, 1, 1]})
    assert "attachment" in answer.headers["content-disposition"]
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["key", "color", "shape"],
        ["p001", "red", "box"],
        ["p005", "blue", "box"],
    ]


def test_selections_come_as_decisions_that_a_review_reads(client: TestClient, tmp_path: Path) -> None:
    answer = client.post(f"{API}/selection/decisions", json={"rows": [1, 2], "reason": " wrong  color "})
    path = tmp_path / "decisions.json"
    path.write_bytes(answer.content)
    decisions = read_decisions(path)
    assert decisions.manifest == MANIFEST
    assert decisions.marks == dict.fromkeys(("p001", "p002"), "by hand: wrong color")


def test_decisions_are_for_shards_of_ours_and_for_something() -> None:
    with client_of(explorer(workbench(manifest=None))) as client:
        answer = client.post(f"{API}/selection/decisions", json={"rows": [1], "reason": ""})
        assert "these are none" in answer.json()["error"]["what"]
    with client_of(explorer()) as client:
        for body in (
            {"rows": [], "reason": ""},
            {"rows": [1], "reason": "x" * 300},
            {"rows": [1], "reason": 3},
        ):
            assert client.post(f"{API}/selection/decisions", json=body).status_code == 400


def test_texts_are_downloaded_and_kept(tmp_path: Path) -> None:
    with client_of(explorer(folder=tmp_path)) as client:
        answer = client.get(f"{API}/texts")
        kept = client.post(f"{API}/texts").json()["kept"]
    assert "texts-things.json" in answer.headers["content-disposition"]
    path = tmp_path / "downloaded.json"
    path.write_bytes(answer.content)
    assert load_texts(path).conditions == load_texts(tmp_path / kept).conditions
    with client_of(explorer()) as client:
        assert client.post(f"{API}/texts").status_code == 400


def test_a_port_in_use_is_said() -> None:
    with bound(0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match="port is in use") as raised, bound(port):
            pass
    assert f"--port {port}" in str(raised.value)
    with bound(port) as again:
        assert again.getsockname()[1] == port


def test_anothers_view_opens_here() -> None:
    with bound(0) as listening:
        port = listening.getsockname()[1]
        for view in ("e=things&q=p001", "#e=things&q=p001", "http://127.0.0.1:1/other/#e=things&q=p001"):
            assert address(listening, "token", view) == f"http://127.0.0.1:{port}/token/#e=things&q=p001"
        assert address(listening, "token") == f"http://127.0.0.1:{port}/token/"


def test_thumbnails_are_kept_within_their_bound() -> None:
    read: list[int] = []

    def reader(row: int) -> bytes:
        read.append(row)
        return png("red")

    thumbnails = Thumbnails(kept_bytes=2500)
    for row in (0, 0, 1, 2, 3, 4, 0):
        thumbnails.get(row, "small", "here", lambda row=row: reader(row))  # type: ignore[misc]
    assert read[:2] == [0, 1]
    assert read.count(0) == 2
    assert np.isfinite(WordEncoder().encode_texts(["a"])).all()
