"""A word on the card for who is locked out: done once, and never more than it says."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box import card, claim, first
from ramal.box.card import Places, carry_out
from ramal.box.home import Home
from ramal.box.reset import Places as ResetPlaces
from ramal.box.reset import _wanted
from ramal_web.claim.views import code_of


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "ramal-reset.txt", tmp_path / "system", tmp_path / "home")
    for folder in (found.system, found.home):
        folder.mkdir()
    (found.system / "network.toml").write_text('mode = "static"\n')
    return found


def things(places: Places) -> set[str]:
    return {path.name for folder in (places.system, places.home) for path in folder.iterdir()}


def test_network_goes_back_to_dhcp(places: Places) -> None:
    places.card.write_text("network\n")
    assert "DHCP" in carry_out(places)
    assert things(places) == {"reset-done"}


def test_factory_is_the_wish_that_the_reset_carries_out_without_what_is_held(places: Places) -> None:
    places.card.write_bytes(b"\xef\xbb\xbfFactory\r\n")  # as Windows' editor writes it
    assert "as it came" in carry_out(places)
    wanted = _wanted(ResetPlaces(places.system))
    assert wanted is not None
    assert not wanted.also_held


def test_it_is_done_once_however_often_the_box_starts_and_again_when_the_text_is_another_one(places: Places) -> None:
    places.card.write_text("network")
    assert carry_out(places)
    (places.system / "network.toml").write_text('mode = "static"\n')
    assert carry_out(places) == ""
    assert (places.system / "network.toml").exists()
    places.card.write_text("network again")
    assert carry_out(places)
    assert not (places.system / "network.toml").exists()


@pytest.mark.parametrize("text", [b"", b"hello", b"\x00\xff\xfe", b"factoryreset", b"#factory", b"x" * 100_000])
def test_another_word_does_nothing_and_says_so(places: Places, text: bytes) -> None:
    places.card.write_bytes(text)
    assert "Nothing was done" in carry_out(places)
    assert things(places) == {"network.toml", "reset-done"}


def test_without_a_word_nothing_is_touched(places: Places) -> None:
    assert carry_out(places) == ""
    assert things(places) == {"network.toml"}


def test_an_owner_who_lost_the_password_claims_the_box_anew_by_another_code(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    first.run(home, home.root / "nowhere", say=lambda _: None)
    with closing(sqlite3.connect(home.db)) as db:
        db.execute("UPDATE user SET must_change = 0")
        db.commit()
    first.run(home, home.root / "nowhere", say=lambda _: None)
    assert not home.claim.exists()
    places = Places(tmp_path / "ramal-reset.txt", tmp_path, home.root)
    assert places.claim_anew == home.claim_anew
    places.card.write_text("owner")
    assert "claimed anew" in carry_out(places)
    first.run(home, home.root / "nowhere", say=lambda _: None)
    code = home.claim.read_text().strip()
    assert code in home.issue.read_text(), "the console shows it"
    with closing(sqlite3.connect(home.db)) as db:
        assert db.execute("SELECT must_change FROM user WHERE name = 'owner'").fetchone() == (1,)
    first.run(home, home.root / "nowhere", say=lambda _: None)
    assert claim.ensure(home) == code, "once"


def test_the_unit_starts_nothing_on_a_box_without_the_file() -> None:
    text = (Path(__file__).parents[2] / "systemd" / "ramal-card.service").read_text(encoding="utf-8")
    assert f"ConditionPathExists={card.Places().card}\n" in text


def test_a_box_without_a_screen_is_claimed_by_the_code_on_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_card = tmp_path / "ramal-claim.txt"
    on_card.write_text("Minha Loja 2026\r\n")
    assert claim.card_code(on_card) == "minh-aloj-a202-6"
    assert code_of("minha-loja 2026") == claim.card_code(on_card), "however it is typed"
    monkeypatch.setattr(claim, "card_code", lambda: "minh-aloj-a202-6")
    home = Home(tmp_path / "home")
    first.run(home, home.root / "nowhere", say=lambda _: None)
    assert home.claim.read_text().strip() == "minh-aloj-a202-6"


@pytest.mark.parametrize("text", ["", "abc-123", "\x00\x00", "ç" * 40, "-" * 40])
def test_a_code_that_is_none_leaves_the_box_its_own(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    assert claim.card_code(tmp_path / "x") is None
    assert claim.card_code(tmp_path / "none") is None
    (tmp_path / "x").write_text("a1" * 5000)
    code = claim.card_code(tmp_path / "x")
    assert code is not None
    assert code_of(code) == code


def test_what_was_laid_in_the_way_neither_holds_the_start_nor_the_owner_out(places: Places) -> None:
    """A pipe would be waited for, a link written through, a folder refused."""
    precious = places.system / "precious"
    precious.write_text("root's")
    part = places.claim_anew.with_name(".claim-anew.part")
    lays: list[Callable[[Path], object]] = [os.mkfifo, lambda path: path.symlink_to(precious), lay_folder]
    for number, lay in enumerate(lays):
        places.card.write_text(f"owner {number}")
        lay(part)
        lay(places.claim_anew)
        assert "claimed anew" in carry_out(places)
        assert (places.claim_anew.is_file(), places.claim_anew.is_symlink()) == (True, False)
        places.claim_anew.unlink()
    assert precious.read_text() == "root's"


def lay_folder(path: Path) -> None:
    (path / "deep").mkdir(parents=True)
