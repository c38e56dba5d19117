"""Records are sealed, repeat to the byte, and refuse what was changed; hostile names stay text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from planted_world import study

from clay_eval.evaluator.experiments.ablation import AblationSettings, sweep
from clay_eval.evaluator.experiments.ablation_findings import ablation_findings
from clay_eval.evaluator.experiments.cost import Cost, machine
from clay_eval.evaluator.experiments.cost_findings import cost_findings
from clay_eval.evaluator.experiments.leak import LeakSettings, find_leaks
from clay_eval.evaluator.experiments.leak_findings import leak_findings
from clay_eval.evaluator.experiments.plots import save, short, styles
from clay_eval.evaluator.experiments.ranking import RankSettings, find_orderings
from clay_eval.evaluator.experiments.ranking_findings import ranking_findings
from clay_eval.evaluator.experiments.record import run_experiment
from clay_eval.evaluator.report.experiment_records import read_experiments, read_record
from clay_eval.evaluator.report.findings import Column, Drawing, Findings, Table, shown_time
from clay_eval.schemas.errors import ConfigChangedError, InputError, IntegrityError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOSTILE = {
    "<script>alert(1)</script>": ("a|b", "$x_{1}^2$", "]]>&amp;"),
    "mul\nti": ("ünï – 文字", "{c} {o}", "\\n\\frac"),
}


def draw(figure: Figure) -> None:
    figure.subplots().plot([0, 1], [0, 1], label="$a_b$ <&>")


TABLE = Table(
    "numbers", "All", (Column("a", "A"), Column("b", "B", "percent")), (("x|<y>", 0.25), ("z", float("nan")))
)
FOUND = Findings(
    "Title",
    "Caption.",
    TABLE,
    [replace(TABLE, name="t")],
    [Drawing("plot", "P", "A line.", draw)],
    ["w", "w"],
)
INPUTS, SETTINGS = {"data": {"fingerprint": "0" * 64}}, {"seeds": (0, 1)}


def run(
    folder: Path, found: Findings = FOUND, settings: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return run_experiment(folder, "leak", INPUTS, settings or SETTINGS, lambda: found, **more)


def test_a_folder_holds_record_numbers_tables_and_plots(tmp_path: Path) -> None:
    record = run(tmp_path)
    folder = tmp_path / "experiments" / "leak"
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {"experiment.json", "numbers.csv", "tables.md", "plot.svg", "plot.png"}
    assert record["numbers"]["rows"] == [["x|<y>", 0.25], ["z", None]]
    assert record["warnings"] == ["w"]
    assert (folder / "numbers.csv").read_text() == "a,b\nx|<y>,0.25\nz,\n"
    text = (folder / "tables.md").read_text()
    assert "| x\\|&lt;y> | 25.0 |" in text
    assert "| z | – |" in text


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    assert read_experiments(tmp_path) == []
    run(tmp_path)
    (found,) = read_experiments(tmp_path)
    assert (found.name, found.title, found.caption, found.warnings) == ("leak", "Title", "Caption.", ("w",))
    assert found.plot == tmp_path / "experiments" / "leak" / "plot.svg"
    assert found.plots[0].png.is_file()
    assert found.tables == (replace(TABLE, name="t"),)


def test_the_same_experiment_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(tmp_path / name)
    for path in (tmp_path / "one" / "experiments" / "leak").iterdir():
        other = tmp_path / "two" / "experiments" / "leak" / path.name
        assert path.read_bytes() == other.read_bytes(), path.name


def test_a_finished_experiment_is_kept_another_one_refused_and_replaced_on_demand(tmp_path: Path) -> None:
    def never() -> Findings:
        raise AssertionError

    first = run(tmp_path)
    assert run_experiment(tmp_path, "leak", INPUTS, {"seeds": [0, 1]}, never) == first
    with pytest.raises(ConfigChangedError, match=r"(?s)seeds.*--replace"):
        run(tmp_path, settings={"seeds": (2,)})
    other = replace(FOUND, drawings=[Drawing("other", "O", "A line.", draw)])
    second = run(tmp_path, other, {"seeds": (2,)}, replace=True)
    assert second["fingerprint"] != first["fingerprint"]
    assert not (tmp_path / "experiments" / "leak" / "plot.svg").exists()


@pytest.mark.parametrize("name", ["experiment.json", "numbers.csv", "tables.md", "plot.svg", "plot.png"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_damage_is_noticed(tmp_path: Path, name: str, harm: str) -> None:
    run(tmp_path)
    path = tmp_path / "experiments" / "leak" / name
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-2])
    if (name, harm) == ("experiment.json", "gone"):
        assert read_experiments(tmp_path) == []
        return
    with pytest.raises(IntegrityError):
        read_experiments(tmp_path)


def test_a_failed_experiment_leaves_no_record(tmp_path: Path) -> None:
    def fail() -> Findings:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        run_experiment(tmp_path, "leak", INPUTS, SETTINGS, fail)
    assert read_experiments(tmp_path) == []


def test_a_table_has_a_cell_a_column_and_numbers_for_people() -> None:
    with pytest.raises(ValueError, match="cells"):
        replace(TABLE, rows=(("x",),))
    assert [Column("c", "C", form).show(0.123456) for form in ("number", "percent", "seconds")] == [
        "0.123",
        "12.3",
        "123 ms",
    ]  # type: ignore[arg-type]
    assert Column("c", "C").show(True) == "yes"
    assert [shown_time(s) for s in (2.5, 0.0042, 3.1e-6)] == ["2.5 s", "4.2 ms", "3.1 µs"]
    assert TABLE.lines() == ["A         B", "x|<y>  25.0", "z         –"]
    rows = ((np.float64(0.5), np.int64(3)),)
    kept = Table("t", "T", (Column("a", "A", "number"), Column("b", "B", "count")), rows)  # type: ignore[arg-type]
    assert [type(cell) for cell in kept.rows[0]] == [float, int]


def check_plots(findings: Findings, folder: Path) -> None:
    for drawing in findings.drawings:
        svg, png = save(drawing, folder)
        root = ElementTree.fromstring(svg.read_bytes())  # noqa: S314
        assert root.tag.endswith("svg")
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
        assert b"<dc:date>" not in svg.read_bytes()
        with Image.open(png) as image:
            image.verify()
        with Image.open(png) as image:
            assert image.convert("L").getextrema() != (255, 255)
            assert "Software" not in image.info


def test_all_plots_of_all_experiments_survive_hostile_names(tmp_path: Path) -> None:
    made = study(HOSTILE, copies=5, entity="demo")
    names = list(HOSTILE)
    settings = AblationSettings(
        methods=("raw", "clay"), seeds=(0,), draws=1, ks=(1, 2), text_counts=(2,), database_sizes=(5,)
    )
    found = [
        ablation_findings([made], settings, sweep([made], settings)),
        leak_findings(*find_leaks([made], LeakSettings(methods=("raw", "clay"), seeds=(0,), split="image"))),
        ranking_findings(
            *find_orderings(
                [made], RankSettings({names[0]: HOSTILE[names[0]]}, ("raw", "clay"), (0,), draws=20)
            )
        ),
        cost_findings(
            [Cost("demo", "<b>", n, 9, 1e-3 * n, 1e-3 * n, 1e-3 * n, 0, 0, 0, 0, True) for n in (1, 2)],
            machine(),
            [],
        ),
    ]
    for place, findings in enumerate(found):
        folder = tmp_path / str(place)
        folder.mkdir()
        check_plots(findings, folder)
        for table in findings.tables:
            lines = table.markdown().splitlines()
            assert len(lines) == len(table.rows) + 2
            assert "<script" not in table.markdown()
        assert run_experiment(folder, "ablate", {}, {}, lambda f=findings: f)["title"]  # type: ignore[misc]
        assert read_record(folder / "experiments" / "ablate")


def test_plots_leave_matplotlib_as_it_was(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    save(FOUND.drawings[0], tmp_path)
    assert dict(mpl.rcParams) == before


def test_methods_differ_in_colour_marker_and_dashes_together() -> None:
    found = styles(["raw", *(f"m{i}" for i in range(16))])
    looks = [(s["color"], s["marker"], str(s["linestyle"])) for s in found.values()]
    assert len(set(looks)) == len(looks)
    assert len({marker for _, marker, _ in looks[1:9]}) == 8


def test_long_labels_are_cut_in_the_middle() -> None:
    assert short("abc", 3) == "abc"
    assert short("abcdefgh", 5) == "ab…gh"
