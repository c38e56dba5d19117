"""Figures as SVG and PNG: the same numbers give the same bytes, and no colour has to be told apart alone.

Colours are Okabe and Ito's, which differ under all common kinds of colour blindness; markers and dashes change with them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.files import atomic_file

from ..report.findings import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A6D3B")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1)),
    (0, (1, 1)),
    (0, (7, 2, 1, 2)),
)
CONTROLS = {"raw": "#7A7A7A"}
ORDERED = "viridis"
HEAT = "cividis"

_SETTINGS: Any = {
    "svg.hashsalt": "clay-eval",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "text.usetex": False,
    "text.parse_math": False,
    "path.simplify": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
}


def save(drawing: Drawing, folder: Path) -> tuple[Path, Path]:
    """Draw into `folder`/NAME.svg and NAME.png, atomically; return both paths. Nothing global of matplotlib is changed."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    paths = (folder / f"{drawing.name}.svg", folder / f"{drawing.name}.png")
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        figure = Figure(figsize=drawing.size, layout="constrained")
        FigureCanvasAgg(figure)
        drawing.draw(figure)
        for path, metadata in zip(paths, ({"Date": None, "Creator": None}, {"Software": None}), strict=True):
            stream = io.BytesIO()
            figure.savefig(stream, format=path.suffix[1:], metadata=metadata)
            with atomic_file(path) as file:
                file.write(stream.getvalue())
    return paths


def styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name -> colour, marker and dashes, by its place among `names`; controls such as raw are grey."""
    found: dict[str, dict[str, Any]] = {}
    place = 0
    for name in names:
        if name in CONTROLS:
            found[name] = {"color": CONTROLS[name], "marker": ".", "linestyle": ":"}
            continue
        turn = place // len(COLORS)
        found[name] = {
            "color": COLORS[place % len(COLORS)],
            "marker": MARKERS[(place + turn) % len(MARKERS)],
            "linestyle": DASHES[(place + turn) % len(DASHES)],
        }
        place += 1
    return found


def percent_axis(axes: Axes, label: str, *, axis: str = "y") -> None:
    """Show shares as percent."""
    from matplotlib.ticker import PercentFormatter

    side = axes.yaxis if axis == "y" else axes.xaxis
    side.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
    side.set_label_text(f"{label} (%)")


def short(text: str, limit: int = 28) -> str:
    """`text`, cut in its middle where it is too long for a label."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return f"{text[:head]}…{text[-(limit - 1 - head) :]}"
