"""Finding a person in any text and putting a token there: no length changes, nobody else does, nothing is left."""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramal.core import privacy
from ramal.core.numbering import normalise
from ramal.core.privacy import STEPS, Mask, NoSubject, identity, rare, spelled, step_after, token

HER = identity("11 98765-4321", ["Maria Teixeira", "João Gonçalves"], "BR", "11")
MASK = Mask(HER, token(HER, 17), HER.names)
DIGITS = HER.national
SPELLINGS = (
    *("+5511987654321", "5511987654321", "011987654321", "11987654321", "987654321", "87654321", "1187654321"),
    *("01511987654321", "005511987654321", "00155511987654321"[3:], "(11) 98765-4321", "11 98765 4321", "98765-4321"),
)
mobiles = st.builds("{}9{:08d}".format, st.sampled_from(("11", "21", "85")), st.integers(60_000_000, 99_999_999))
marks = st.sampled_from((",", "|", " ", "%7C", "%2B", "%20", "%22", "/", "<", ">", "\n", '"', ";", "=", "%252B"))
names = st.sampled_from(("Ana Lima", "Mariana Teixeira", "Maria", "agent-7", "line-main"))
pieces = st.one_of(mobiles, mobiles.map("+55{}".format), names, st.sampled_from(SPELLINGS), st.sampled_from(HER.names))
texts = st.lists(st.tuples(pieces, marks), max_size=12).map(lambda pairs: "".join(a + b for a, b in pairs))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "around", ["{}", ",{},", "<sip:{}@10.0.0.1>", "/ramal-last/{}", "%7C{}%22", "%2B{}", "a %20{}."]
)
def test_every_spelling_of_a_number_is_found(spelling: str, around: str) -> None:
    text = around.format(spelling)
    masked = MASK.text(text)
    assert len(masked) == len(text)
    assert "7654321" not in masked.replace("-", "").replace(" ", "")


@given(texts)
@settings(max_examples=400, deadline=None)
def test_masking_keeps_lengths_is_done_once_and_leaves_everybody_else(text: str) -> None:
    data = text.encode()
    masked = MASK.mask(data)
    assert len(masked) == len(data)
    assert MASK.mask(masked) == masked
    assert not MASK.hits(masked)
    assert DIGITS.encode() not in masked
    if not MASK.suspects().search(data):
        assert masked == data


@given(mobiles.filter(lambda number: number[-7:] != DIGITS[-7:]), marks, marks)
@settings(deadline=None)
def test_another_number_is_never_touched(number: str, before: str, after: str) -> None:
    text = f"{before}+55{number}{after}{quote('+55' + number, safe='')}{after}{number}"
    assert MASK.text(text) == text


def test_who_has_her_digits_inside_a_longer_number_stays() -> None:
    swiss = identity("+1 415-555-2671", (), "US", "")
    mask = Mask(swiss, token(swiss, 3))
    assert mask.text("+41555526710,+14155552671,4155552671") == "+41555526710,+10000000003,0000000003"


@pytest.mark.parametrize("text", ["1187654321.233813", "1187654321|1187654321.0|sales|NONE|", "x/1187654321.12-1.wav"])
def test_times_and_ids_that_look_like_a_number_stay(text: str) -> None:
    assert MASK.text(text) == text


@pytest.mark.parametrize("name", HER.names)
def test_names_are_found_in_every_writing_and_not_in_longer_names(name: str) -> None:
    for way in (*spelled(name), name.upper() if name.isascii() else name):
        masked = MASK.text(f"x%7C{way}%7C{way},")
        assert masked == f"x%7C{'-' * len(way.encode())}%7C{'-' * len(way.encode())},"
    assert MASK.text("Mariana Teixeira, Ana Maria Teixeirano") == "Mariana Teixeira, Ana Maria Teixeirano"


def test_a_token_is_no_number_and_every_person_has_another() -> None:
    tokens = {token(HER, n) for n in range(1, 50)}
    assert len(tokens) == 49
    assert all(normalise(one, "BR", "11") == "" and len(one) == len(HER.number) for one in tokens)
    with pytest.raises(ValueError, match="token"):
        token(HER, 0)


def test_short_names_and_names_of_others_are_not_looked_for_everywhere() -> None:
    assert rare("Maria Teixeira", ["Ana Lima"])
    assert not rare("Maria Teixeira", ["MARIA TEIXEIRA"])
    assert not rare("Maria", [])
    assert not rare("Ana Li", [])


def test_the_steps_lead_to_their_end() -> None:
    seen, step = [], STEPS[0]
    while True:
        seen.append(step)
        following = step_after(step)
        if following is None:
            break
        step = following
    assert seen == list(STEPS)
    assert STEPS.index(privacy.AGAIN) < STEPS.index("prove") < STEPS.index("forget") < STEPS.index("sweep")


@pytest.mark.parametrize("text", ["", "190", "201", "Maria", "+55", "12"])
def test_what_is_no_person_s_number_is_refused(text: str) -> None:
    with pytest.raises(NoSubject, match="Nothing was done"):
        identity(text, (), "BR", "11")


def test_the_receipt_s_digest_needs_its_code() -> None:
    kept = privacy.digest("1a2b", HER.number)
    assert kept == privacy.digest(" 1A2B ", HER.number)
    assert kept != privacy.digest("1a2c", HER.number)
    assert kept != privacy.digest("1a2b", "+5511987654322")


def test_the_days_count_down_to_overdue() -> None:
    day = privacy.DAY_MS
    assert [privacy.days_left(0, at) for at in (0, day, 14 * day + 1, 16 * day)] == [15, 14, 0, -1]
