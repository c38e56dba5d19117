"""What the page asks of one entity's pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from explore_world import COLORS, WordEncoder, collection, features, png, workbench

from clay_eval.evaluator.explore.conditions import MOST_TEXTS, of_texts, of_values, texts_record
from clay_eval.evaluator.explore.missing import GivenTexts, MissingTextsError
from clay_eval.evaluator.explore.plane import flat_map, packed
from clay_eval.evaluator.explore.workbench import METHODS, RAW, Question, Workbench
from clay_eval.evaluator.index.conditional_index import ConditionalIndex
from clay_eval.evaluator.index.conditions import Condition
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.texts import parse_texts

CLAY = METHODS[0]


def found(bench: Workbench, weights: dict[str, float], method: str = CLAY, query: int = 4) -> list[int]:
    answer = bench.neighbours(Question(query, weights), [method], 10)
    return list(answer["methods"][0]["rows"])


def test_neighbours_are_those_of_the_index() -> None:
    bench = workbench()
    index = ConditionalIndex(features(collection()), collection().keys, method=CLAY)
    for name, worded in bench.conditions.items():
        texts = [text.text for text in worded.texts]
        index.add(Condition(name, WordEncoder().encode_texts(texts), [text.value for text in worded.texts]))
    for weights in (
        {},
        {"color": 1.0},
        {"color": 0.7, "shape": 0.2},
        {"shape": -0.6},
        {"color": 1.0, "shape": -1.0},
    ):
        expected = index.query("p004", weights, top=10)
        answer = bench.neighbours(Question(4, weights), [CLAY], 10)["methods"][0]
        assert answer["rows"] == [one.row for one in expected]
        assert answer["similarities"] == [round(one.similarity, 4) for one in expected]


def test_a_condition_brings_pictures_that_share_its_value() -> None:
    bench = workbench()
    labels = bench.collection.labels
    for name in ("color", "shape"):
        assert {labels[name][row] for row in found(bench, {name: 1.0})[:5]} == {labels[name][4]}


def test_no_text_moves_the_raw_order_but_what_is_taken_out_does() -> None:
    bench = workbench()
    assert found(bench, {"color": 1.0}, RAW) == found(bench, {}, RAW)
    assert found(bench, {"color": -1.0}, RAW) != found(bench, {}, RAW)


def test_the_query_is_not_its_own_neighbour_but_an_upload_finds_all() -> None:
    bench = workbench()
    assert 4 not in found(bench, {"color": 1.0})
    name = bench.upload(png("green"))
    answer = bench.neighbours(Question(name, {"color": 1.0}), [CLAY], 6)
    assert {bench.collection.labels["color"][row] for row in answer["methods"][0]["rows"]} == {"green"}
    assert answer["query"]["values"]["color"][0] == "green"


def test_uploads_are_bounded_in_number_and_named_by_their_bytes() -> None:
    bench = workbench()
    first = bench.upload(png("red"))
    assert bench.upload(png("red")) == first
    for side in range(8, 30, 2):
        bench.upload(png("blue", side))
    with pytest.raises(InputError, match="no longer kept"):
        bench.neighbours(Question(first, {}), [CLAY], 3)


def test_what_is_no_picture_is_no_query() -> None:
    with pytest.raises(IntegrityError, match="not a picture"):
        workbench().upload(b"GIF89a")


def test_why_says_the_chances_of_both() -> None:
    bench = workbench()
    (color, shape) = bench.why(4, 10)
    assert [color["condition"], shape["condition"]] == ["color", "shape"]
    for one in (color, shape):
        assert 0 <= one["same"] <= 1
    own = {value: chance for value, chance, _ in color["values"]}
    assert sum(own.values()) == pytest.approx(1, abs=1e-3)
    assert max(own, key=lambda value: own[value]) == bench.collection.labels["color"][4]


def test_likeliest_values_stand_beside_every_neighbour() -> None:
    bench = workbench()
    answer = bench.neighbours(Question(4, {"color": 0.5, "shape": 0}), [CLAY, RAW], 8)
    assert all(set(picture["values"]) == {"color"} for picture in answer["pictures"])
    assert {picture["row"] for picture in answer["pictures"]} == {
        row for method in answer["methods"] for row in method["rows"]
    }


@pytest.mark.parametrize(
    "question",
    [
        Question(-1, {}),
        Question(10_000, {}),
        Question("upload-none", {}),
        Question(0, {"nothing": 1.0}),
        Question(0, {"color": -2.0}),
        Question(0, {"color": float("nan")}),
    ],
)
def test_what_cannot_be_asked_is_refused(question: Question) -> None:
    with pytest.raises(InputError):
        workbench().neighbours(question, [CLAY], 3)


@pytest.mark.parametrize("top", [0, -1, 10_000, True])
def test_the_number_of_neighbours_is_bounded(top: int) -> None:
    with pytest.raises(InputError, match="number of neighbours"):
        workbench().neighbours(Question(0, {}), [CLAY], top)


@pytest.mark.parametrize("method", ["claay", "supervised-lda", "clay(k=3)"])
def test_a_method_that_no_index_can_have_is_refused_before_the_page_is_there(method: str) -> None:
    of = collection()
    with pytest.raises(InputError, match=r"method|labels"):
        Workbench(of, features(of), WordEncoder(), (RAW, "clay", method))


def test_a_method_that_is_named_twice_is_offered_once() -> None:
    of = collection()
    assert Workbench(of, features(of), WordEncoder(), (RAW, "clay", RAW)).about()["methods"] == [RAW, "clay"]


def test_another_method_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no such method"):
        workbench().neighbours(Question(0, {}), ["os:system"], 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["red"], "single value"),
        ([" red", "red "], "single value"),
        ([], "single value"),
        ([f"v{i}" for i in range(10_000)], "too many values"),
        (["a" * 500, "b"], "too long"),
    ],
)
def test_conditions_that_cannot_be_used_are_refused(values: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        of_values("things", "mood", values, "a photo of {c}")


def test_texts_that_are_too_many_are_refused() -> None:
    items = [{"text": f"text {i}", "value": str(i % 2)} for i in range(MOST_TEXTS + 1)]
    with pytest.raises(InputError, match="too many texts"):
        of_texts("things", "mood", items)


def test_a_condition_that_is_refused_changes_nothing() -> None:
    bench = workbench()
    before = found(bench, {"color": 1.0})
    same = [{"text": "one text", "value": "a"}, {"text": "one  text", "value": "b"}]
    with pytest.raises(InputError):
        bench.add("color", of_texts("things", "color", same))
    assert found(bench, {"color": 1.0}) == before
    assert bench.conditions["color"].values == list(COLORS)


def test_edited_texts_replace_the_condition_in_every_method() -> None:
    bench = workbench()
    before = found(bench, {"color": 1.0}, "clay-values(fusion=sum)")
    texts = [{"text": f"a {value} thing", "value": value} for value in ("disc", "box")]
    bench.add("color", of_texts("things", "color", texts))
    assert found(bench, {"color": 1.0}, "clay-values(fusion=sum)") != before
    assert found(bench, {"color": 1.0}) == found(bench, {"color": 0.3})
    bench.remove("color")
    with pytest.raises(InputError):
        found(bench, {"color": 1.0})


def test_the_texts_file_is_one_that_evaluate_takes() -> None:
    record = texts_record("things", workbench().conditions)
    assert set(parse_texts(record, "here").conditions) == {"color", "shape"}


def test_given_vectors_say_which_texts_must_be_encoded() -> None:
    class Given:
        texts, identity, logit_scale, dimension = None, {"name": "x"}, 100.0, 24

    with pytest.raises(MissingTextsError, match="without an encoder of texts") as raised:
        GivenTexts(Given()).encode_texts(["a photo of red", "a photo of blue"])  # type: ignore[arg-type]
    assert raised.value.texts == ("a photo of red", "a photo of blue")
    assert "--text-features" in str(raised.value)


def unpacked(data: bytes) -> tuple[dict[str, object], np.ndarray, np.ndarray]:
    length = int.from_bytes(data[:4], "little")
    about = json.loads(data[4 : 4 + length])
    numbers = np.frombuffer(data[4 + length :], "<u2")
    count = about["points"]
    return about, numbers[: 2 * count].reshape(-1, 2), numbers[2 * count :]


@pytest.mark.parametrize("weights", [{}, {"color": 1.0}, {"color": 1.0, "shape": -1.0}, {"shape": -0.5}])
@pytest.mark.parametrize("method", [CLAY, RAW])
def test_the_map_has_a_point_and_a_colour_for_every_picture(method: str, weights: dict[str, float]) -> None:
    bench = workbench()
    about, points, codes = unpacked(bench.plane(method, weights, "label:color"))
    assert points.shape == (36, 2)
    assert np.ptp(points, axis=0).max() > 60_000
    names = about["names"]
    assert isinstance(names, list)
    assert [names[code] for code in codes] == list(bench.collection.labels["color"])


def test_the_map_parts_the_values_of_the_condition_that_is_asked_for() -> None:
    bench = workbench(copies=20)
    _, points, codes = unpacked(bench.plane(CLAY, {"color": 1.0}, "label:color"))
    centres = np.stack([points[codes == code].mean(axis=0) for code in range(3)])
    spread = max(float(points[codes == code].std(axis=0).max()) for code in range(3))
    apart = min(float(np.linalg.norm(centres[i] - centres[j])) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert apart > 2 * spread


def test_colours_by_texts_are_the_likeliest_values() -> None:
    about, _, codes = unpacked(workbench().plane(CLAY, {}, "values:shape"))
    bench = workbench()
    names = about["names"]
    assert isinstance(names, list)
    likeliest = [bench.why(0, row)[1]["values"] for row in range(36)]
    assert [names[code] for code in codes] == [max(values, key=lambda one: one[2])[0] for values in likeliest]


def test_a_map_of_few_or_flat_vectors_is_one() -> None:
    assert flat_map(np.ones((5, 1), np.float32)).shape == (5, 2)
    assert flat_map(np.eye(2, dtype=np.float32)).shape == (2, 2)
    assert (
        len(packed(flat_map(np.eye(3, dtype=np.float32)), np.zeros(3, np.uint16), {"names": ["é"]})) % 2 == 0
    )


def test_finding_by_name_takes_every_word_in_any_case() -> None:
    of = collection()
    assert all(of.names[row].startswith("red disc") for row in of.find("RED disc", 20))
    assert of.find("", 5) == [0, 1, 2, 3, 4]
    assert of.find("nothing of that name", 5) == []
    assert len(of.find("png", 7)) == 7
