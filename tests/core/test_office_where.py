"""Lines of values in a TOML text."""

import tomllib
from collections.abc import Iterator
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.office_where import Path, where

TEXT = '''\
# a comment with [brackets] and "quotes"
title = "first" # [[not]]
a.b = 1
"quoted key".'lit.eral' = """
several = "lines"
and a quote""""
after = \'\'\'it's\'\'\'

[office]
name = "with # hash \\" and ] bracket"

[[queue]]
name = "one"
list = [ # comment ]
  "x",
  { deep = 1, more = ["y",
    "z"] },
]
last = 1979-05-27 07:32:00

  [[queue]]
  name = 'two'
  options = { 1 = "a", "*" = "b" }

[[queue.inner]]
v = 1
[[queue.inner]]
v = 2
[queue.sub.deep]
w = 3
'''


def test_every_value_is_found_on_its_line() -> None:
    lines = where(TEXT)
    expected: dict[Path, int] = {
        ("title",): 2,
        ("a", "b"): 3,
        ("quoted key", "lit.eral"): 4,
        ("after",): 7,
        ("office",): 9,
        ("office", "name"): 10,
        ("queue",): 12,
        ("queue", 0): 12,
        ("queue", 0, "name"): 13,
        ("queue", 0, "list", 0): 15,
        ("queue", 0, "list", 1, "deep"): 16,
        ("queue", 0, "list", 1, "more", 1): 17,
        ("queue", 0, "last"): 19,
        ("queue", 1): 21,
        ("queue", 1, "options", "*"): 23,
        ("queue", 1, "inner", 0, "v"): 26,
        ("queue", 1, "inner", 1, "v"): 28,
        ("queue", 1, "sub", "deep", "w"): 30,
    }
    assert {path: lines.line(path) for path in expected} == expected


def test_a_value_that_is_not_there_is_told_at_its_table() -> None:
    lines = where(TEXT)
    assert lines.line(("queue", 1, "max_wait_s")) == 21
    assert lines.line(("nothing", 3, "x")) == 1


def test_windows_line_ends_count_once() -> None:
    assert where("a = 1\r\n\r\nb = 2\r\n").line(("b",)) == 3


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
values = st.recursive(
    words | st.integers(-(2**60), 2**60) | st.booleans() | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


def paths(tree: Any, path: Path = ()) -> Iterator[Path]:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*path, key)
        yield from paths(value, (*path, key))


@given(st.dictionaries(words, values, max_size=4), st.booleans())
def test_whatever_tomllib_accepts_is_walked_to_its_end(tree: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(tree, multiline_strings=multiline)
    lines = where(text)
    count = text.count("\n")
    for path in paths(tomllib.loads(text)):
        assert path in lines._lines, path
        assert 1 <= lines.line(path) <= count
