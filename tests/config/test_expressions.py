"""What a route may want of a study is read as people mean it, or refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import ConfigError, load
from node.config.expressions import DEEPEST, BadExpressionError, names_in, parse

A, B, C = (("name", name) for name in "abc")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a", A),
        ("a and b", ("and", (A, B))),
        ("a or b and c", ("or", (A, ("and", (B, C))))),
        ("(a or b) and c", ("and", (("or", (A, B)), C))),
        ("a AND b Or c", ("or", (("and", (A, B)), C))),
        ("a and b and c", ("and", (A, B, C))),
        ("((a))", A),
        ("'a b' and \"and\"", ("and", (("name", "a b"), ("name", "and")))),
        ("a_1.2-x", ("name", "a_1.2-x")),
        (" ( a)or(b ) ", ("or", (A, B))),
    ],
)
def test_an_expression_is_read(text, read):
    assert parse(text) == read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("a b", "'b' was not expected after 'a'"),
        ("a and", "a name is missing at the end"),
        ("and a", "a name is missing before 'and'"),
        ("a or or b", "a name is missing before 'or'"),
        ("(a or b", "a bracket is not closed"),
        ("a)", "')' was not expected"),
        ("()", "a name is missing before ')'"),
        ("'a", "a quote is not closed"),
        ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), "too many brackets"),
        ("(" * 100_000, "too many brackets"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(text, why):
    with pytest.raises(BadExpressionError) as caught:
        parse(text)
    assert why in str(caught.value)


demands = st.recursive(
    st.sampled_from("abcdef").map(lambda name: ("name", name)),
    lambda parts: st.tuples(
        st.sampled_from(["and", "or"]), st.lists(parts, min_size=2, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


def written(demand):
    kind, what = demand
    return what if kind == "name" else f"({f' {kind} '.join(written(part) for part in what)})"


def true(demand, there):
    kind, what = demand
    if kind == "name":
        return what in there
    return (all if kind == "and" else any)(true(part, there) for part in what)


@given(demands)
def test_what_is_written_is_read_again(demand):
    there = {"a", "c", "e"}
    read = parse(written(demand))
    assert true(read, there) == true(demand, there)
    assert names_in(read) == names_in(demand)


@given(st.text(alphabet="ab ()'\"andor", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text)
    except BadExpressionError as error:
        assert str(error)


def complaints_about(folder, text):
    path = folder / "config.yaml"
    path.write_text(text)
    try:
        load(path)
    except ConfigError as error:
        return str(error).splitlines()
    return []


ROUTE = """
routes:
- name: tumour
  when: {{Modality: MR}}
  model: finder
  study:
    series: {{t1: {{SeriesDescription: "*T1*"}}, flair: {{SeriesDescription: "*FLAIR*"}}}}
    complete: {complete}
    {more}
"""


@pytest.mark.parametrize(
    ("complete", "more", "said"),
    [
        ("t1 and", "", "a name is missing at the end; write it like"),
        ("t1 and flare", "", "no series is called 'flare'; did you mean flair?"),
        ("t1", "", "study.series.flair does not occur in complete"),
        ("t1 and flair", "then: refuse", "study.then needs force_after_seconds"),
        ("t1 and flair", "then: hope", "study.then"),
        ("t1 and flair", "force_after_seconds: -1", "force_after_seconds"),
    ],
)
def test_what_is_wrong_with_a_study_is_said(tmp_path, complete, more, said):
    found = complaints_about(tmp_path, ROUTE.format(complete=complete, more=more))
    assert any(said in one for one in found), found


def test_a_study_that_is_right_is_no_matter_for_complaint(tmp_path):
    more = "force_after_seconds: 900\n    then: proceed"
    assert complaints_about(tmp_path, ROUTE.format(complete="t1 and flair", more=more)) == []
