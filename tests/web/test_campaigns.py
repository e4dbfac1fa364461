"""What the pages say of campaigns: the call, the list, what is known of a number, how long everything is kept."""

import pytest
from flask.testing import FlaskClient

from ramal.core.office_file import read, write
from ramal.store import settings
from ramal.store.db import open_writer
from ramal_web.app import create_app
from ramal_web.settings import of_home
from tests.web.box import Box, answered_call, demo_office, now_ms
from tests.web.test_door import enter

CAMPAIGNS = """
[[campaign]]
name = "spring"
code = "1"
title = "Ofertas <b>da</b> primavera"
keep_days = 77

[[campaign]]
name = "care"
code = "2"
sac = true

[[campaign]]
name = "plain"
code = "3"

[recordings]
campaign_days = 200
"""


@pytest.fixture
def selling(box: Box) -> Box:
    db = open_writer(box.home.db)
    settings.save(db, read(write(demo_office()) + CAMPAIGNS))
    db.close()
    box.add_history([answered_call(10, now_ms() - 3_600_000)])
    box.sql("UPDATE call SET direction = 'out', category = 'connected', campaign = 'spring'")
    return box


def test_a_call_and_the_list_name_the_campaign(selling: Box, client: FlaskClient) -> None:
    enter(client)
    ((call,),) = selling.sql("SELECT id FROM call")
    page = client.get(f"/calls/{call}").text
    (row,) = page.split('id="campaign"')[1:]
    assert "Ofertas &lt;b&gt;da&lt;/b&gt; primavera" in row.split("</div>")[0]
    listed = client.get("/calls?category=out").text
    assert "Ofertas &lt;b&gt;da&lt;/b&gt; primavera" in listed.split('class="call-where')[1].split("</span>")[0]
    selling.sql("UPDATE call SET campaign = 'of-last-year'")
    assert "of-last-year" in client.get(f"/calls/{call}").text, "one that the office no longer has"
    selling.sql("UPDATE call SET campaign = ''")
    assert 'id="campaign"' not in client.get(f"/calls/{call}").text


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("en", ("Calls of campaigns", "Campaign “Ofertas", "Campaign “care”", "For campaigns: campaign_days there")),
        ("pt-BR", ("Ligações de campanhas", "Campanha “Ofertas", "Campanha “care”", "Para campanhas: campaign_days")),
        ("es", ("Llamadas de campañas", "Campaña “Ofertas", "Campaña “care”", "Para campañas: campaign_days allí")),
    ],
)
def test_the_page_says_how_long_talks_of_campaigns_are_kept(selling: Box, tag: str, said: tuple[str, ...]) -> None:
    client = create_app(of_home(selling.home)).test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = tag
    enter(client)
    page = client.get("/keeping").text
    for words in (*said, "77", "200", "Decreto 11.034/2022"):
        assert words in page
    assert "plain" not in page, "kept like all campaigns"


def test_the_office_file_with_campaigns_is_written_as_it_was_read() -> None:
    office = read(write(demo_office()) + CAMPAIGNS)
    assert read(write(office)) == office
    assert [campaign.name for campaign in office.campaigns] == ["spring", "care", "plain"]
