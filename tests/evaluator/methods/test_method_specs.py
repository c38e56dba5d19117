"""Specs of methods: what can be read, and the name that comes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.evaluator.methods.support.specs import MethodSpec, parse_spec, prepare_methods
from clay_eval.schemas.errors import InputError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("clay", "clay"),
        (" clay() ", "clay"),
        ("clay(n_components=30)", "clay(n_components=30)"),
        ("clay( fusion=sum,n_components=30 )", "clay(fusion=sum, n_components=30)"),
        ("clay(fusion=stack)", "clay"),
        ("label-posterior(fusion=stack)", "label-posterior(fusion=stack)"),
        ("label-posterior(fusion=product)", "label-posterior(fusion=product)"),
        ("no.such.package:Method(fusion=stack)", "no.such.package:Method"),
        ("clay(log_map=False)", "clay(log_map=false)"),
        ("clay-spectrum(power=.5)", "clay-spectrum(power=0.5)"),
        ("pkg.sub:Class(depth=2, path=a/b.safetensors)", "pkg.sub:Class(depth=2, path=a/b.safetensors)"),
        ("pkg.sub:Outer.Inner(x=null)", "pkg.sub:Outer.Inner(x=null)"),
        ('a:B(ask="Colour, or (else) shape = what?")', 'a:B(ask="Colour, or (else) shape = what?")'),
        ('a:B(ask="plain")', "a:B(ask=plain)"),
        ('a:B(ask="3")', 'a:B(ask="3")'),
        ('a:B(ask="say \\"x\\"", n=2)', 'a:B(ask="say \\"x\\"", n=2)'),
    ],
)
def test_a_spec_has_one_name(text, name):
    assert str(parse_spec(text)) == name
    assert parse_spec(name) == parse_spec(text)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True).filter(lambda name: name != "fusion"),
        st.one_of(st.booleans(), st.integers(-99, 99), st.floats(0.001, 1000), st.text(max_size=12)),
        max_size=4,
    ),
    st.sampled_from([None, "sum", "rrf"]),
)
def test_a_name_reads_back_as_its_spec(parameters, fusion):
    spec = MethodSpec("clay", parameters, fusion)
    again = parse_spec(str(spec))
    assert again == spec
    assert [type(v) for v in again.parameters.values()] == [
        type(parameters[name]) for name in again.parameters
    ]


UNREADABLE = (
    "", "clay(", "clay(30)", "clay(k=)", "clay(k=1, k=2)", "clay(k=1)(j=2)", "a b", "__import__('os')",
    "clay(k=(1))", "clay(k=1,)", 'clay(k="x)', 'clay(k="\\q")', 'clay(k="a"b)',
)  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(InputError, match="cannot read this method"):
        parse_spec(text)


def test_an_unknown_fusion_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'sum'"):
        parse_spec("clay(fusion=sun)")


def test_methods_are_prepared_once_each_in_order():
    methods = prepare_methods(["raw", "clay", "clay(n_components=7)", "clay( )"], n_components=3)
    assert [method.name for method in methods] == ["raw", "clay", "clay(n_components=7)"]
    assert [getattr(method.factory(), "n_components", None) for method in methods] == [None, 3, 7]
    assert methods[1].target == "clay_eval.evaluator.methods.clay:CLAY"


def test_what_a_method_sees_is_known():
    lda, values, raw = prepare_methods(["supervised-lda", "clay-values", "raw"])
    assert (lda.privileged, values.privileged, raw.privileged) == (True, False, False)
    assert "database_labels" in lda.asks
    assert "text_values" in values.asks


def test_wrong_parameters_are_refused_before_anything_runs():
    with pytest.raises(InputError, match="does not take these options"):
        prepare_methods(["raw(k=3)"])
    with pytest.raises(InputError, match="unknown alignment"):
        prepare_methods(["clay(alignment=sideways)"])
    with pytest.raises(InputError, match="did you mean 'clay'"):
        prepare_methods(["cley"])


@pytest.mark.parametrize("text", ["./mine.py", "./mine.py:Class", "../none.safetensors(a=1)"])
def test_a_file_that_is_not_there_is_no_method(text: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        parse_spec(text)
