"""The campaign a call was made for, from the journals to its row, however it is read; and whose call it is."""

from pathlib import Path

import pytest

from ramal.store import read
from ramal.store.ingest import CEL_NAME
from tests.store.history import Life
from tests.store.test_dispositions import call, line

S = 1_795_000_000
DESK = "PJSIP/201-00000001"
OUT = call(f"{S}.1", S, DESK, ("CAMPAIGN", "spring"), ("OUT", "+5511987650001|main|7"), ("OUT_END", "main|BUSY"))
REFUSED = call(
    f"{S + 9}.5", S + 9, DESK, ("CAMPAIGN", "spring"), ("WHY", "outside-refused|+442079460031|national-only|201")
)
PLAIN = call(f"{S + 20}.9", S + 20, DESK, ("OUT", "+5511987650002|main|7"), ("OUT_END", "main|BUSY"))
HOSTILE = call(f"{S + 30}.13", S + 30, DESK, ("CAMPAIGN", "\u2028'; DROP\x1c"), ("OUT", "+5511987650003|main|7"))


@pytest.mark.parametrize("max_bytes", [150, 1 << 20])
def test_a_call_to_the_outside_knows_its_campaign_and_a_rebuild_says_the_same(tmp_path: Path, max_bytes: int) -> None:
    life = Life(tmp_path)
    life.write(CEL_NAME, (OUT + REFUSED + PLAIN).encode())
    life.read_all(max_bytes)
    found = life.db.execute("SELECT number, direction, category, campaign FROM call ORDER BY key").fetchall()
    assert found == [
        ("+5511987650001", "out", "not_connected", "spring"),
        ("+442079460031", "out", "not_connected", "spring"),
        ("+5511987650002", "out", "not_connected", ""),
    ]
    assert [row.campaign for row in read.calls(life.db, direction="out").rows] == ["", "spring", "spring"]
    detail = read.call(life.db, f"{S}.1")
    assert detail is not None
    assert detail.call.campaign == "spring"
    assert [(step.kind, step.detail) for step in detail.steps if step.kind == "campaign"] == [
        ("campaign", {"campaign": "spring"})
    ]
    life.survives()
    life.close()


def test_a_received_call_is_of_no_campaign_though_the_agent_asked_somebody_of_one(tmp_path: Path) -> None:
    life = Life(tmp_path)
    linked, asking = f"{S}.1", f"{S + 3}.4"
    came = line(S, "CHAN_START", linked, "PJSIP/line-a-00000001")
    came += line(S + 1, "ARRIVE", linked, "PJSIP/line-a-00000001", user="ARRIVE", extra="a|+551133330001|")
    came += line(S + 3, "CHAN_START", linked, DESK, unique=asking)
    came += line(S + 3, "CAMPAIGN", linked, DESK, unique=asking, user="CAMPAIGN", extra="spring")
    came += line(S + 3, "OUT", linked, DESK, unique=asking, user="OUT", extra="+5511987650001|main|7")
    came += line(S + 9, "LINKEDID_END", linked, "PJSIP/line-a-00000001")
    life.write(CEL_NAME, came.encode())
    life.read_all()
    assert life.db.execute("SELECT direction, number, campaign FROM call").fetchall() == [("in", "+551133330001", "")]
    life.close()


def test_what_no_campaign_can_be_called_reaches_the_row_without_harm(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.write(CEL_NAME, HOSTILE.encode())
    life.read_all()
    ((campaign,),) = life.db.execute("SELECT campaign FROM call").fetchall()
    assert campaign.isprintable()
    life.close()
