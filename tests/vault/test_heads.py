"""The last seal's note: written in its place, and anew where that could not be whole."""

from pathlib import Path

from ramal.box.home import Home
from ramal.core.chain import Head
from ramal.vault import heads


def head(n: int) -> Head:
    return Head(n, 0, bytes([n % 256]) * 32)


def test_a_note_is_written_in_its_place_and_anew_when_it_is_longer_or_not_ours(tmp_path: Path) -> None:
    home = Home(root=tmp_path)
    heads.put_tip(home, head(8))
    tip = home.seals / "tip"
    first = tip.stat().st_ino
    heads.put_tip(home, head(9))
    assert heads.tip(home) == head(9)
    assert tip.stat().st_ino == first, "no new file"
    heads.put_tip(home, head(10))  # a digit more
    assert heads.tip(home) == head(10)
    victim = tmp_path / "victim"
    victim.write_bytes(tip.read_bytes())
    kept = victim.read_bytes()
    tip.unlink()
    tip.symlink_to(victim)
    heads.put_tip(home, head(11))
    assert heads.tip(home) == head(11)
    assert victim.read_bytes() == kept, "a link is not followed"
    assert [path.name for path in home.seals.iterdir()] == ["tip"]
