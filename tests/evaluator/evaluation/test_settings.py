"""Settings of an evaluation: what fits together and what does not."""

from dataclasses import replace

import pytest

from clay_eval.evaluator.evaluation.settings import EvaluationSettings, all_methods
from clay_eval.evaluator.methods.support.registry import BUILT_IN
from clay_eval.schemas.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"measures": ()}, "no measure"),
        ({"measures": ("AP", "PA")}, "unknown measure"),
        ({"split": "random"}, "unknown split"),
        ({"resample": "images"}, "unknown resample"),
        ({"seeds": (1, 1)}, "seeds must differ"),
        ({"seeds": (0, 1), "split": "leave-one-out"}, "one seed"),
        ({"weights": {"color": 0.0}}, "positive"),
    ],
)
def test_bad_settings_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        EvaluationSettings(**options)


def test_all_stands_for_every_method_that_needs_no_file():
    names = [method.name for method in EvaluationSettings(methods=("all",)).prepared()]
    assert names == all_methods()
    assert set(names) <= set(BUILT_IN)
    assert {"raw", "clay", "supervised-lda", "text-discriminant"} <= set(names)


def test_the_reference_is_clay_or_the_first():
    def reference(*methods, **options):
        settings = EvaluationSettings(methods=methods, **options)
        return settings.compared_with(settings.prepared())

    assert reference("raw", "clay", "crl") == "clay"
    assert reference("raw", "crl") == "raw"
    assert reference("raw") is None
    assert reference("raw", "clay", reference="raw") == "raw"
    assert (
        reference("raw", "clay(n_components=4)", reference="clay( n_components=4 )") == "clay(n_components=4)"
    )
    with pytest.raises(InputError, match="not among the methods"):
        reference("raw", "crl", reference="clay")


@pytest.mark.parametrize("fusion", ["min", "qr"])
def test_weights_need_a_fusion_that_takes_them(fusion):
    settings = EvaluationSettings(methods=(f"clay(fusion={fusion})",), weights={"color": 2.0})
    with pytest.raises(InputError, match="takes no weights"):
        settings.prepared()
    EvaluationSettings(methods=(f"clay(fusion={fusion})",), weights={"color": 1.0}).prepared()


def test_k_is_clays_unless_a_spec_says():
    clay, ours, other = EvaluationSettings(
        methods=("clay", "clay(n_components=9)", "ip-composer"), n_components=5
    ).prepared()
    assert [m.factory().n_components for m in (clay, ours, other)] == [5, 9, 30]


def test_a_report_without_an_interval_has_percentiles() -> None:
    settings = EvaluationSettings(methods=("raw",))
    assert settings.record(settings.prepared())["interval"] == settings.inference().interval == "skewed-t"
    before = replace(settings, interval="percentile")
    assert "interval" not in before.record(before.prepared())
    with pytest.raises(InputError, match="unknown interval"):
        EvaluationSettings(interval="bootstrap")
