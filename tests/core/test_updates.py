"""What is asked of an update and what became of it, read as a stranger's words; and when the box may restart."""

import pytest

from ramal.core import updates
from ramal.core.updates import Asked, Progress, Standing, UpdateRefused, Waiting


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (" 40% Checking bundle done.", Progress(40, "Checking bundle done.")),
        ("100% Installing done.", Progress(100, "Installing done.")),
        ("[#####-----]  50% Copying image to rootfs.1", Progress(50, "Copying image to rootfs.1")),
        ("999% more than all", Progress(100, "more than all")),
        ("installing", None),
        ("LastError: No space left on device", None),
        ("", None),
    ],
)
def test_raucs_lines_tell_how_far_it_is(line: str, progress: Progress | None) -> None:
    assert updates.progress_of(line) == progress


def test_a_request_is_read_as_it_was_written() -> None:
    asked = Asked("install", "https://updates.example/ramal.raucb", "owner", 7)
    assert updates.parse_asked(updates.asked_text(asked)) == asked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[" * 100_000,
        '{"act": "install"}',
        '{"act": "format", "at_ms": 1}',
        '{"act": "install", "source": "/x\\u0000y", "at_ms": 1}',
        '{"act": "install", "source": "' + "x" * 3000 + '", "at_ms": 1}',
        '{"act": ["install"], "at_ms": 1}',
    ],
)
def test_what_is_no_request_is_none(text: str) -> None:
    try:
        found = updates.parse_asked(text)
    except TypeError:
        pytest.fail("a request of a stranger broke the reader")
    assert found is None


def test_a_standing_is_read_as_it_was_written_and_idle_when_torn() -> None:
    standing = Standing("installing", 40, "Copying", "1.1.0", "", "", 8, 7, ("/run/x/a.raucb",))
    text = updates.standing_text(standing)
    assert updates.parse_standing(text) == standing
    for end in range(len(text) - 2):
        assert updates.parse_standing(text[:end]) == Standing()
    odd = '{"phase": "failed", "percent": "x", "sticks": 5, "version": [], "at_ms": -1}'
    assert updates.parse_standing(odd) == Standing("failed")


@pytest.mark.parametrize(
    ("calls", "now_ms", "restarts"), [(0, 100, True), (1, 100, False), (3, 999, False), (3, 1000, True), (3, 50, True)]
)
def test_calls_are_waited_for_up_to_the_owners_bound(calls: int, now_ms: int, restarts: bool) -> None:
    assert updates.may_restart(Waiting(100, 1000), calls, now_ms) is restarts


@pytest.mark.parametrize("given", [-1, 7201, True, "60", None, 1.5])
def test_a_bound_is_a_number_of_seconds(given: object) -> None:
    with pytest.raises(UpdateRefused):
        updates.wait_of(given)
    assert updates.wait_of(0) == 0


def test_names_on_sticks_are_plain() -> None:
    assert updates.is_stick_name("ramal-amd64 1.1.0.raucb")
    for name in (".x.raucb", "x.raucb\n", "a/b.raucb", "x.zip", "<b>.raucb", "x" * 200 + ".raucb", ".raucb"):
        assert not updates.is_stick_name(name)


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("1.0.0", "1.0.0", False),
        ("1.0", "1.0.0", False),
        ("1.9.0", "1.10.0", True),
        ("1.10.0", "1.9.0", False),
        ("1.1.0", "1.1.0.1", True),
        ("0.1.0.1-no-call", "0.1.0", False),
        ("0.9", "0.10-dev", True),
        ("dev", "0.1", True),
        ("1.0", "dev", False),
        ("1.0", "", False),
        ("dev", "", False),
        ("0", "0.0.0", False),
    ],
)
def test_which_release_is_older(version: str, than: str, older: bool) -> None:
    assert updates.is_older(version, than) is older
