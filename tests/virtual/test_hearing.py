"""What a phone hears goes into the file of the call that is on, also when calls follow each other at once."""

from collections.abc import Callable
from pathlib import Path

from ramal.core import sound
from ramal.virtual.ear import Ear
from ramal.virtual.hearing import Hearing

SOUND = b"\x10\x20" * 800


def test_a_call_that_begins_before_the_last_ones_end_is_complete_is_heard_in_its_own_file(tmp_path: Path) -> None:
    replies: list[Callable[[bool, str], object]] = []

    def say(command: str, params: str, reply: Callable[[bool, str], object] | None) -> None:
        if command == "auloop_stop" and reply is not None:
            replies.append(reply)  # baresip answers later
        elif reply is not None:
            reply(True, "")

    ear = Ear(tmp_path / "ear", limit_s=60)
    hearing = Hearing(ear, lambda source: None, say, lambda delay_s, action: None)
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    told = []

    def play() -> None:
        with (tmp_path / "ear").open("wb") as end:
            end.write(SOUND)

    hearing.begin(first)
    play()
    hearing.end(lambda: told.append("first"))
    hearing.begin(second)
    (stopped,) = replies
    stopped(True, "")
    play()
    hearing.end(lambda: told.append("second"))
    replies[1](True, "")
    ear.close()
    assert told == ["first", "second"]
    assert [len(sound.read_wave(file.read_bytes()).mono) for file in (first, second)] == [800, 800]
