"""Tables that are made from the code: methods, measures, fusions, what fit may ask for, exit codes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

FORMULAS = {
    "stack": r"cosine after one fit",
    "qr": r"cosine in an orthonormal basis of \([W_1 \mid \dots \mid W_C]\)",
    "sum": r"\(\sum_c w_c s_c \,/\, \sum_c w_c\)",
    "product": r"\(\prod_c \left(\frac{1 + s_c}{2}\right)^{w_c / \sum w}\); of chances \(\prod_c s_c^{w_c / \sum w}\)",
    "min": r"\(\min_c s_c\)",
    "rrf": r"\(\sum_c \frac{w_c}{60 + \mathrm{rank}_c}\)",
}


def methods() -> str:
    """Every method with a short name."""
    from clay_eval.evaluator.methods.catalogue import methods as known
    from clay_eval.evaluator.methods.support.protocol import NEEDS

    rows = []
    for item in known():
        given = ", ".join(f"`{_given(name, value)}`" for name, value in item["parameters"].items())
        asks = ", ".join(f"`{name}`" for name in item["asks"])
        sees = "pictures and texts" if item["kind"] == "image" else NEEDS[item["needs"]]
        rows.append((f"`{item['name']}`", given, asks, sees))
    return _table(("method", "parameters and defaults", "`fit` asks for", "is told"), rows)


def measures() -> str:
    """Every family of measures."""
    from clay_eval.evaluator.methods.catalogue import measures as known

    return _table(("name", "what"), ((f"`{item['name']}`", item["summary"]) for item in known()))


def fusions() -> str:
    """Every way to join several conditions, with its formula."""
    from clay_eval.evaluator.methods.catalogue import fusions as known

    rows = ((f"`{item['name']}`", item["summary"], FORMULAS[item["name"]]) for item in known())
    return _table(("fusion", "what", "score"), rows)


def askable() -> str:
    """What fit may ask for by name."""
    from clay_eval.evaluator.methods.support.protocol import ASKABLE

    return _table(("parameter of `fit`", "what it gets"), ((f"`{n}`", what) for n, what in ASKABLE.items()))


def datasets() -> str:
    """Every published data set that can be read, with its conditions."""
    from clay_eval.evaluator.pictures.benchmarks.checking import catalogue_record

    rows = []
    for name, item in catalogue_record().items():
        conditions = [
            f"{condition} ({values})" if values else condition
            for entity in item["entities"].values()
            for condition, values in (entity["conditions"] or {}).items()
        ]
        sizes = [entity["pictures"] for entity in item["entities"].values()]
        pictures = f"{sum(sizes):,}" if sizes and all(sizes) else ""
        rows.append((f"`{name}`", item["title"], ", ".join(conditions), pictures))
    return _table(("name", "what", "conditions (values)", "pictures"), rows)


def exit_codes() -> str:
    """Every exit code that an error of ours has, with the class and its meaning."""
    rows = [
        ("0", "", "done"),
        ("1", "", "some samples, methods or checks failed, and are listed; or a fault of ours"),
    ]
    rows += [(str(code), f"`{name}`", about) for code, name, about in error_kinds()]
    rows += [
        ("130", "", "interrupted (Ctrl-C); the same command continues"),
        ("129", "", "interrupted by SIGHUP, as when a terminal closes; ignored under `nohup`"),
        ("143", "", "interrupted by SIGTERM, as batch systems and `kill` send it"),
        ("141", "", "nobody reads the output"),
    ]
    return _table(("code", "class", "what"), sorted(rows, key=lambda row: int(row[0])))


def error_kinds() -> Iterator[tuple[int, str, str]]:
    """Exit code, name and first line of the docstring of every class of errors that people see."""
    import clay_eval.generator.plan.llm.errors  # noqa: F401  (it adds a class)
    from clay_eval.schemas.errors import ClayEvalError

    for kind in ClayEvalError.__subclasses__():
        if kind.__module__.endswith(".errors"):
            yield kind.exit_code, kind.__name__, (inspect.getdoc(kind) or "").partition("\n")[0]


def _given(name: str, value: object) -> str:
    if value is None:
        return name
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
