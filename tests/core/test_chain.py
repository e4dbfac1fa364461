"""The chain of seals: whatever is done to it is found, and where."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core.calm import calm, own_load
from ramal.core.chain import Head, Seal, digest_of, follow, hash_of, head_from, head_of, walk


def chain(count: int, day_every: int = 10) -> list[Seal]:
    seals: list[Seal] = []
    for n in range(1, count + 1):
        before = head_of(seals[-1]) if seals else None
        if n % day_every == 0:
            seals.append(follow(before, n * 1000, "day", 0, digest_of("day", (n * 1000,))))
        else:
            seals.append(follow(before, n * 1000, "sound", n * 16, digest_of("sound", (n,))))
    return seals


def anchors(seals: list[Seal]) -> dict[int, bytes]:
    return {seal.n: hash_of(seal) for seal in seals if seal.kind == "day" or seal is seals[-1]}


WHOLE = chain(57)
HEADS = anchors(WHOLE)


def test_a_whole_chain_has_no_flaw() -> None:
    assert list(walk(WHOLE, HEADS)) == []
    assert list(walk([], {})) == []


@settings(max_examples=200)
@given(st.integers(0, 56), st.sampled_from(["at_ms", "kind", "recording", "digest", "prev"]), st.integers(0, 255))
def test_a_changed_field_is_found_at_its_row(index: int, field: str, bit: int) -> None:
    seal = WHOLE[index]
    value = getattr(seal, field)
    if isinstance(value, bytes):
        other = bytearray(value)
        other[bit // 8] ^= 1 << bit % 8
        changed = replace(seal, **{field: bytes(other)})
    elif isinstance(value, str):
        changed = replace(seal, kind="gone" if value != "gone" else "sound")
    else:
        changed = replace(seal, **{field: value + bit + 1})
    found = list(walk([*WHOLE[:index], changed, *WHOLE[index + 1 :]], HEADS))
    assert found
    told = found[0].where
    # A row is proved by the one behind it, so it is one of two neighbours; the last one by the head kept apart.
    assert str(seal.n) in told or f"row {seal.n - 1} (or row {seal.n})" in told


@given(st.integers(0, 56), st.integers(1, 30))
def test_removed_rows_are_found_and_named(index: int, count: int) -> None:
    left = [*WHOLE[:index], *WHOLE[index + count :]]
    found = list(walk(left, HEADS))
    assert found
    last = min(57, index + count)
    assert found[0].where == (f"row {index + 1}" if last == index + 1 else f"rows {index + 1} to {last}")
    assert "removed" in found[0].what


@given(st.integers(1, 56))
def test_an_inserted_row_is_found(index: int) -> None:
    extra = follow(head_of(WHOLE[index - 1]), 5, "sound", 999, digest_of("sound", (999,)))
    shifted = [replace(seal, n=seal.n + 1) for seal in WHOLE[index:]]
    assert list(walk([*WHOLE[:index], extra, *shifted], HEADS))
    assert list(walk([*WHOLE[:index], extra, *WHOLE[index:]], HEADS))


@given(st.integers(0, 56))
def test_who_computes_every_later_row_anew_is_found_by_the_next_head(index: int) -> None:
    forged = WHOLE[:index]
    for seal in WHOLE[index:]:
        recording = seal.recording + (16 if seal.n == index + 1 and seal.recording else 0)
        at_ms = seal.at_ms + (1 if seal.n == index + 1 else 0)
        digest = digest_of("day", (at_ms,)) if seal.kind == "day" else seal.digest
        forged.append(follow(head_of(forged[-1]) if forged else None, at_ms, seal.kind, recording, digest))  # type: ignore[arg-type]
    found = list(walk(forged, HEADS))
    assert [flaw.kind for flaw in found][:1] == ["head"]
    assert int(found[0].where.split()[-1]) >= index + 1


def test_two_changes_are_both_told() -> None:
    rows = list(WHOLE)
    rows[4] = replace(rows[4], at_ms=1)
    rows[40] = replace(rows[40], recording=7)
    assert [flaw.where for flaw in walk(rows, HEADS)] == ["row 5 (or row 6)", "row 41 (or row 42)"]


def test_a_head_is_printed_and_typed_in_again() -> None:
    head = head_of(WHOLE[-1])
    assert head_from(head.text) == Head(57, 0, head.hash)
    assert head_from(f"  {head.text.upper()} ") == Head(57, 0, head.hash)
    for wrong in ("", "57", "x" * 80, head.text[:-1], head.text + "0", "57-" + "g" * 64, "9" * 30 + "-" + "0" * 64):
        assert head_from(wrong) is None


def test_facts_that_look_alike_are_sealed_differently() -> None:
    facts: list[tuple[object, ...]] = [
        ("1", 2),
        (1, "2"),
        ("1,2",),
        (1, 2),
        (None,),
        ("",),
        (b"\x01",),
        ("a", "b"),
        ("ab",),
    ]
    assert len({digest_of("sound", one) for one in facts}) == len(facts)
    assert digest_of("sound", (1,)) != digest_of("gone", (1,))


@pytest.mark.parametrize(
    ("calls", "load", "own", "cpus", "told"),
    [
        (0, 0.1, 0.0, 4, True),
        (0, 3.1, 0.0, 4, False),
        (0, 3.1, 0.9, 4, True),
        (3, 1.0, 0.0, 4, True),
        (3, 2.5, 0.0, 4, False),
        (17, 0.0, 0.0, 4, False),
        (5, 0.0, 0.0, 1, False),
        (0, 0.0, 0.0, 0, True),
    ],
)
def test_work_that_can_wait_waits_for_calls(calls: int, load: float, own: float, cpus: int, told: bool) -> None:
    assert calm(calls, load, own, cpus) is told


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 50), st.floats(0, 50))
def test_more_calls_or_more_load_never_make_a_box_calm(calls: int, more: int, load: float, extra: float) -> None:
    if calm(calls + more, load + extra, 0.0, 4):
        assert calm(calls, load, 0.0, 4)


def test_the_work_s_own_load_is_followed_as_the_kernel_does() -> None:
    value = 0.0
    for _ in range(60):
        value = own_load(value, True, 5.0)
    assert 0.98 < value <= 1.0
    assert own_load(value, False, 60.0) == pytest.approx(value * 0.3679, rel=0.01)
    assert own_load(0.5, True, -10.0) == 0.5
