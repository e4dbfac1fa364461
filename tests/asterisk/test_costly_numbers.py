"""Costly numbers: what the dialplan is told of them, and what a call back from the page makes of them."""

import pytest

from ramal.asterisk.render_callback import callbacks
from ramal.asterisk.render_outside import costly, kind_of, ours, outside
from tests.asterisk.test_render import demo


@pytest.mark.parametrize(
    ("number", "country", "kind"),
    [
        ("+5511987654321", "BR", "national"),
        ("+55900123456", "BR", "premium"),
        ("+55500123456", "BR", "premium"),
        ("+881612345678", "BR", "premium"),
        ("+14155552671", "BR", "international"),
        ("+14155552671", "US", "national"),
        ("+18765551234", "US", "international"),
        ("+19002345678", "US", "premium"),
        ("+499001123456", "DE", "premium"),
        ("+4930123456", "DE", "national"),
        ("+449012345678", "GB", "premium"),
    ],
)
def test_a_number_is_of_the_kind_that_its_price_has(number: str, country: str, kind: str) -> None:
    assert kind_of(number, country) == kind


def test_the_dialplan_knows_costly_numbers_of_every_plan_and_our_own() -> None:
    office = demo()
    text = outside(office)
    assert f"^([+]55({costly('BR', 'premium_rate')}))$" in text
    for number in ours(office):
        assert f"exten => {number},1,NoOp()" in text.partition("[ramal-ours]")[2]
    assert "(?:" not in text
    asked = callbacks(office).partition("[ramal-callback-number]")[2].partition("[ramal-callback-said]")[0]
    returned = [row for row in asked.splitlines() if "Return(" in row and "${whole}" in row]
    assert len(returned) == 1, "nothing is called back that has not passed the same questions"
