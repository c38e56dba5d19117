"""A report with names that markup could stumble over."""

from typing import Any

import pytest

METHODS = {
    "raw": {
        "title": "raw",
        "target": "clay_eval.evaluator.methods.raw:Raw",
        "privileged": False,
        "fitted": [],
    },
    "clay": {
        "title": "clay",
        "target": "clay_eval.evaluator.methods.clay:CLAY",
        "privileged": False,
        "fitted": [],
    },
    "my_pkg:A(x=1)": {
        "title": "my_pkg:A(x=1) | 50% & #1",
        "target": "a:B",
        "privileged": False,
        "fitted": [],
    },
    "lda": {"title": "lda", "target": "a:L", "privileged": True, "fitted": []},
    "random": {
        "title": "random",
        "target": "clay_eval.evaluator.methods.controls:RandomSubspace",
        "privileged": False,
        "fitted": [],
    },
}
VALUES = {
    ("raw", ("color",)): 0.3,
    ("clay", ("color",)): 0.6254,
    ("my_pkg:A(x=1)", ("color",)): 0.6239,
    ("lda", ("color",)): 0.99,
    ("random", ("color",)): 0.9,
    ("raw", ("back_ground",)): 0.5,
    ("clay", ("back_ground",)): 0.4,
    ("my_pkg:A(x=1)", ("back_ground",)): 0.1,
    ("lda", ("back_ground",)): 0.98,
    ("random", ("back_ground",)): None,
    ("raw", ("color", "back_ground")): 0.25,
    ("clay", ("color", "back_ground")): 0.75,
}


def result(method: str, conditions: tuple[str, ...], metric: str, value: float | None) -> dict[str, Any]:
    return {
        "entity": "things",
        "method": method,
        "encoder": "embedded",
        "conditions": list(conditions),
        "metric": metric,
        "value": value,
        "ci_low": None if value is None else value - 0.05,
        "ci_high": None if value is None else value + 0.05,
        "chance": 0.1,
    }


def comparison(
    method: str, conditions: tuple[str, ...], difference: float, significant: bool
) -> dict[str, Any]:
    return {
        "entity": "things",
        "conditions": list(conditions),
        "metric": "AP",
        "method": method,
        "reference": "clay",
        "difference": difference,
        "significant": significant,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    """The parts of a report's record that tables are made of."""
    results = [
        result(method, conditions, metric, value if metric == "AP" or value is None else value / 2)
        for metric in ("AP", "P@10")
        for (method, conditions), value in VALUES.items()
    ]
    return {
        "schema": "clay-eval/report/2",
        "fingerprint": "ab" * 32,
        "inputs": {"encoder": {"name": "embedded"}},
        "settings": {
            "methods": list(METHODS),
            "measures": ["AP", "P@10"],
            "split": "image",
            "seeds": [0],
            "query_share": 0.1,
            "ties": "expected",
            "n_components": 50,
            "bootstrap_draws": 1000,
            "randomisations": 10_000,
            "confidence": 0.95,
            "resample": "queries",
            "alpha": 0.05,
            "reference": "clay",
        },
        "entities": {
            "things": {
                "title": r"Things_100% \of $all{kinds}~^ & <b>more</b>",
                "images": 500,
                "attributes": {"color": {"parent": None}, "back_ground": {"parent": None}},
            }
        },
        "methods": METHODS,
        "results": results,
        "comparisons": [
            comparison("raw", ("color",), -0.3, True),
            comparison("raw", ("back_ground",), 0.1, True),
            comparison("my_pkg:A(x=1)", ("color",), -0.001, False),
        ],
    }
