"""What decides the numbers of a report, beside the data, the texts and the encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clay_eval.schemas.errors import InputError

from ..methods.support.registry import without_files
from ..methods.support.specs import Method, MethodSpec, parse_spec, prepare_methods
from ..retrieval.condition_sets import EVERY_SIZE
from ..retrieval.engine import Settings
from ..retrieval.split_kinds import SPLITS
from ..scoring import Ties
from ..scoring.measures import parse_measures
from ..statistics.scoreboard import PERCENTILE, SKEWED_T, Inference
from ..vectors.fusion import UNWEIGHTED

DEFAULT_METHODS = ("raw", "ip-composer", "text-pca", "crl", "clay", "clay-values")
ALL = "all"


@dataclass(frozen=True)
class EvaluationSettings:
    """All options that move a number.

    methods: specs as `parse_spec` reads them, or "all"; largest_set: the most conditions of a set, None for what suits
    their number (`condition_sets.default_largest`); n_components: the k of methods that take it from here (CLAY) where
    a spec does not say; measures: names, the first is the one that tables and comparisons show; split_sha256: of the
    file of a given split; weights: condition -> weight; reference: the method that others are compared with, None for
    "clay" if it is there, else the first; resample: what is drawn anew, "queries" or "combinations"; interval: of
    `Inference`; template: makes texts of label values where no texts are given.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    n_components: int = 50
    measures: tuple[str, ...] = ("AP", "AP@R", "P@10")
    ties: Ties = "expected"
    split: str = "image"
    split_sha256: str | None = None
    seeds: tuple[int, ...] = (0,)
    query_share: float = 0.1
    fit_images: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    reference: str | None = None
    bootstrap_draws: int = 1000
    confidence: float = 0.95
    resample: str = "queries"
    randomisations: int = 10_000
    alpha: float = 0.05
    template: str = "a photo of {c}"
    largest_set: int | None = None
    interval: str = SKEWED_T

    def __post_init__(self) -> None:
        if self.largest_set is not None and self.largest_set < 1:
            raise InputError("a set has one condition or more", where="--largest-set", found=self.largest_set)
        parse_measures(self.measures)
        if self.split not in SPLITS:
            raise _unknown("split", tuple(SPLITS), self.split)
        if self.resample not in ("queries", "combinations"):
            raise _unknown("resample", ("queries", "combinations"), self.resample)
        if self.interval not in (SKEWED_T, PERCENTILE):
            raise _unknown("interval", (SKEWED_T, PERCENTILE), self.interval)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(
                "seeds must differ", where="--seed", expected="each once", found=list(self.seeds)
            )
        if not SPLITS[self.split].drawn and len(self.seeds) > 1:
            raise InputError(
                f"the split {self.split} draws nothing, so more seeds would repeat the same numbers",
                where="--seed",
                expected="one seed",
                found=list(self.seeds),
            )
        for name, weight in self.weights.items():
            if not 0 < weight < float("inf"):
                raise InputError("a weight must be positive", where=f"--weight {name}", found=weight)

    def engine(self, backend: str = "numpy") -> Settings:
        """The part that the engine needs."""
        return Settings(
            measures=parse_measures(self.measures),
            ties=self.ties,
            split=self.split,
            seeds=self.seeds,
            query_share=self.query_share,
            fit_images=self.fit_images,
            backend=backend,
        )

    def inference(self) -> Inference:
        """The part that the statistics need."""
        return Inference(
            draws=self.bootstrap_draws,
            confidence=self.confidence,
            resample=self.resample,
            randomisations=self.randomisations,
            alpha=self.alpha,
            seed=self.seeds[0],
            interval=self.interval,
        )

    def prepared(self, images: Callable[[MethodSpec], Method] | None = None) -> list[Method]:
        """The methods, ready to run; raises InputError as `prepare_methods`, and for fusions that take no weights."""
        specs = [s for name in self.methods for s in (all_methods() if name == ALL else [name])]
        if {1.0, *self.weights.values()} != {1.0}:
            for spec in map(parse_spec, specs):
                if spec.fusion in UNWEIGHTED:
                    raise InputError(
                        f"fusion={spec.fusion} takes no weights",
                        where=str(spec),
                        hint="leave --weight out, or use fusion=sum, product, rrf or stack",
                    )
        return prepare_methods(specs, self.n_components, images)

    def bound(self) -> dict[str, int]:
        """largest_set as records have it: without it, all sets were scored."""
        return {} if self.largest_set in (None, EVERY_SIZE) else {"largest_set": int(self.largest_set or 0)}

    def compared_with(self, methods: list[Method]) -> str | None:
        """The name of the reference among `methods`; None where nothing can be compared."""
        names = [method.name for method in methods]
        if self.reference is not None:
            wanted = str(parse_spec(self.reference))
            if wanted not in names:
                raise InputError(
                    "the reference is not among the methods",
                    where="--reference",
                    expected=names,
                    found=wanted,
                )
            return wanted
        return None if len(names) < 2 else "clay" if "clay" in names else names[0]

    def how(self) -> dict[str, str]:
        """interval as records have it: without it, intervals are percentiles of the bootstrap."""
        return {} if self.interval == PERCENTILE else {"interval": self.interval}

    def record(self, methods: list[Method]) -> dict[str, Any]:
        """As it stands in a report, with the methods' canonical names; largest_set only where it leaves sets out."""
        return {
            **{
                name: value for name, value in asdict(self).items() if name not in ("largest_set", "interval")
            },
            **self.bound(),
            **self.how(),
            "methods": [method.name for method in methods],
            "identities": {method.name: dict(method.identity) for method in methods if method.identity},
            "measures": list(self.measures),
            "seeds": list(self.seeds),
            "weights": dict(self.weights),
            "reference": self.compared_with(methods),
        }


def all_methods() -> list[str]:
    """Every built-in method that needs no file of its own."""
    return without_files()


def _unknown(what: str, known: tuple[str, ...], found: str) -> InputError:
    return InputError(f"unknown {what}", where=f"--{what}", expected=f"one of {known}", found=repr(found))
