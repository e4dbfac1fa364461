"""Files into force: swapped whole, reloaded as little as possible, taken back when Asterisk refuses."""

import itertools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ramal.ami.codec import Message, decode
from ramal.asterisk.apply import Applied, ApplyRefused, apply
from ramal.asterisk.generations import Disk, Generations
from ramal.asterisk.reload import AmiReloader, Expected, expect, modules
from ramal.errors import RamalError

FILES = {
    "asterisk.conf": "[directories]\nastetcdir => /x\n",
    "modules.conf": "[modules]\nautoload = no\n",
    "pjsip.conf": "[t]\ntype = transport\nbind = 127.0.0.1:5060\n[phone](!)\ntype = endpoint\n[201](phone)\n"
    "auth = 201\n[201]\ntype = auth\npassword = first\n",
    "queues.conf": "[general]\n[sales]\nmaxlen = 50\n",
    "extensions.conf": "[general]\n[dest-queue]\nexten => sales,1,NoOp()\n same => n,Hangup()\n"
    '#include "dialplan/in.conf"\n',
    "dialplan/in.conf": "[inbound]\nexten => s,1,NoOp()\n",
}
READS = {
    "res_pjsip": ("pjsip.conf",),
    "app_queue": ("queues.conf",),
    "pbx_config": ("extensions.conf", "dialplan/in.conf"),
}


def changed(**files: str) -> dict[str, str]:
    return FILES | {name.replace("_", ".", 1): text for name, text in files.items()}


@dataclass
class FakeAsterisk:
    """Holds what it read, module by module, and knows nothing else: a module that is not reloaded stays old."""

    etc: Path
    held: dict[str, str] = field(default_factory=dict)
    reloads: list[str] = field(default_factory=list)
    running: bool = True
    refuses: Callable[[str, dict[str, str]], str | None] = lambda module, files: None
    breaks_at: str = ""

    def current(self) -> dict[str, str]:
        return Generations(self.etc).read(os.path.basename(os.readlink(self.etc / "current")))

    def start(self) -> None:
        self.held, self.running = self.current(), True

    def up(self) -> bool:
        return self.running

    def reload(self, module: str) -> str | None:
        if module == self.breaks_at:
            self.running = False
        if not self.running:
            raise RamalError("Asterisk went away.")
        self.reloads.append(module)
        files = self.current()
        said = self.refuses(module, files)
        if said is None:
            self.held |= {name: files.get(name, "") for name in READS.get(module, ())}
        return said

    def verify(self, expected: Expected) -> tuple[str, ...]:
        holds, _ = expect(self.held, lambda name: {name: self.held[name]} if name in self.held else None)
        missing = [*(expected.endpoints - holds.endpoints), *(expected.queues - holds.queues)]
        missing += [name for name, _ in expected.auths - holds.auths]
        missing += [
            context for context, names in expected.extensions.items() if names - holds.extensions.get(context, set())
        ]
        return tuple(f"{name} is not there." for name in missing)


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return tmp_path / "etc"


@pytest.fixture
def asterisk(etc: Path) -> FakeAsterisk:
    apply(FILES, etc)
    fake = FakeAsterisk(etc)
    fake.start()
    apply(FILES, etc, fake)
    fake.reloads.clear()
    return fake


def test_without_asterisk_the_files_are_swapped_and_that_is_said(etc: Path) -> None:
    done = apply(FILES, etc)
    assert done == Applied("0001", tuple(sorted(FILES)), restart=done.restart, down=True)
    assert "not running" in "\n".join(done.lines())
    assert Generations(etc).read("0001") == FILES
    assert os.readlink(etc / "current") == "generations/0001"


def test_applying_the_same_again_changes_nothing(etc: Path, asterisk: FakeAsterisk) -> None:
    done = apply(FILES, etc, asterisk)
    assert done == Applied("0001")
    assert done.lines() == ("Nothing changed.",)
    assert asterisk.reloads == []
    assert [path.name for path in (etc / "generations").iterdir()] == ["0001"]


@pytest.mark.parametrize(
    ("files", "reloads"),
    [
        (changed(queues_conf="[general]\n[sales]\nmaxlen = 9\n"), ["app_queue"]),
        (changed(pjsip_conf=FILES["pjsip.conf"].replace("first", "second")), ["res_pjsip"]),
        (FILES | {"dialplan/in.conf": "[inbound]\nexten => s,1,Answer()\n"}, ["pbx_config"]),
        (
            changed(queues_conf="[general]\n", extensions_conf="[dest-queue]\n", pjsip_conf=""),
            ["res_pjsip", "app_queue", "pbx_config"],
        ),
    ],
)
def test_only_the_modules_whose_files_changed_are_reloaded(
    etc: Path, asterisk: FakeAsterisk, files: dict[str, str], reloads: list[str]
) -> None:
    done = apply(files, etc, asterisk)
    assert asterisk.reloads == list(done.reloaded) == reloads
    assert asterisk.held == files
    assert done.generation == "0002"


def test_a_file_that_only_a_restart_reads_is_told(etc: Path, asterisk: FakeAsterisk) -> None:
    done = apply(changed(modules_conf="[modules]\nautoload = yes\n"), etc, asterisk)
    assert done.restart == ("modules.conf",)
    assert "restart of Asterisk" in "\n".join(done.lines())
    moved = apply(changed(pjsip_conf=FILES["pjsip.conf"].replace("5060", "5070")), etc, asterisk)
    assert moved.restart == ("modules.conf", "pjsip.conf (ports and addresses)")


def test_what_asterisk_refuses_is_taken_back_and_read_again(etc: Path, asterisk: FakeAsterisk) -> None:
    asterisk.refuses = lambda module, files: "An unknown error occurred" if "bad" in files["extensions.conf"] else None
    files = changed(queues_conf="[general]\n[support]\n", extensions_conf="[bad]\nexten => s,1,NoOp()\n")
    with pytest.raises(ApplyRefused, match="generation 0001") as refused:
        apply(files, etc, asterisk)
    assert "app_queue: An unknown error occurred" in str(refused.value)
    assert asterisk.current() == asterisk.held == FILES
    assert apply(FILES, etc, asterisk) == Applied("0001")


def test_what_asterisk_takes_without_a_word_but_does_not_hold_is_taken_back(etc: Path, asterisk: FakeAsterisk) -> None:
    original = asterisk.reload

    def deaf(module: str) -> str | None:
        asterisk.reloads.append(module)
        return None if module == "res_pjsip" else original(module)

    asterisk.reload = deaf  # type: ignore[method-assign]
    files = changed(
        pjsip_conf=FILES["pjsip.conf"].replace("first", "second") + "[202](phone)\n", queues_conf="[general]\n[x]\n"
    )
    with pytest.raises(ApplyRefused) as refused:
        apply(files, etc, asterisk)
    assert "202 is not there." in str(refused.value)
    assert "201 is not there." in str(refused.value)
    assert asterisk.current() == asterisk.held == FILES


def test_when_asterisk_goes_away_in_the_middle_the_old_files_are_in_place(etc: Path, asterisk: FakeAsterisk) -> None:
    asterisk.breaks_at = "pbx_config"
    files = changed(queues_conf="[general]\n[x]\n", extensions_conf="[new]\nexten => s,1,NoOp()\n")
    with pytest.raises(ApplyRefused, match="did not read them yet"):
        apply(files, etc, asterisk)
    assert asterisk.current() == FILES
    # What it holds is unknown now: the next apply of the same files reloads everything that can be reloaded.
    asterisk.breaks_at, asterisk.running = "", True
    assert apply(FILES, etc, asterisk).reloaded == ("res_pjsip", "app_queue", "pbx_config")
    assert asterisk.held == FILES


def test_files_swapped_while_asterisk_was_down_and_back_are_reloaded(etc: Path, asterisk: FakeAsterisk) -> None:
    other = changed(queues_conf="[general]\n[x]\n")
    asterisk.running = False
    assert apply(other, etc, asterisk).down
    asterisk.start()
    apply(FILES, etc, asterisk)
    assert asterisk.held == FILES


def test_the_first_files_that_are_refused_stay_because_there_are_no_others(etc: Path) -> None:
    fake = FakeAsterisk(etc, refuses=lambda module, files: "no")
    with pytest.raises(ApplyRefused, match="no others"):
        apply(FILES, etc, fake)
    assert fake.current() == FILES


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("pjsip.conf", "[201\ntype = endpoint\n", "custom/pjsip.conf:1: the bracket of “[201” is not closed."),
        ("pjsip.conf", "\n[9](nothing)\n", "custom/pjsip.conf:2: [9] builds on [nothing], which is not there."),
        ("pjsip.conf", "#include nowhere.conf\n", "custom/pjsip.conf:1: the file “nowhere.conf” is not there."),
        ("pjsip.conf", "[nowhere](+)\n", "custom/pjsip.conf:1: there is no [nowhere] to add to."),
    ],
)
def test_a_hand_edit_that_asterisk_would_not_read_is_told_by_file_and_line(
    etc: Path, asterisk: FakeAsterisk, name: str, text: str, said: str
) -> None:
    (etc / "custom" / name).write_text(text)
    files = FILES | {name: FILES[name] + f"#tryinclude {etc}/custom/{name}\n"}
    with pytest.raises(ApplyRefused) as refused:
        apply(files, etc, asterisk)
    assert said in str(refused.value)
    assert asterisk.reloads == []
    assert asterisk.current() == FILES


def test_hand_edits_survive_and_are_expected_too(etc: Path, asterisk: FakeAsterisk) -> None:
    custom = etc / "custom" / "queues.conf"
    custom.write_text("; mine\n[mine]\n;-- [not this\n--;\n[sales](+)\nmaxlen = 3 ; less\n")
    files = FILES | {"queues.conf": FILES["queues.conf"] + f"#tryinclude {etc}/custom/*.conf\n"}
    with pytest.raises(ApplyRefused, match=r"mine is not there\."):  # this fake does not follow includes
        apply(files, etc, asterisk)
    assert "[mine]" in custom.read_text()
    assert (etc / "custom").is_dir()


def test_everything_can_be_reloaded_after_a_hand_edit(etc: Path, asterisk: FakeAsterisk) -> None:
    done = apply(FILES, etc, asterisk, everything=True)
    assert done.reloaded == ("res_pjsip", "app_queue", "pbx_config")
    assert done.restart == ()


def test_two_at_once_is_refused(etc: Path, asterisk: FakeAsterisk) -> None:
    with Generations(etc).lock(), pytest.raises(ApplyRefused, match="Another apply"):
        apply(changed(queues_conf=""), etc, asterisk)
    apply(changed(queues_conf=""), etc, asterisk)


def test_the_last_five_generations_are_kept_and_numbers_go_on(etc: Path, asterisk: FakeAsterisk) -> None:
    for number in range(12):
        apply(changed(queues_conf=f"[q{number}]\n"), etc, asterisk)
    names = sorted(path.name for path in (etc / "generations").iterdir())
    assert names == ["0009", "0010", "0011", "0012", "0013"]


def test_only_the_group_may_read_the_secrets(etc: Path) -> None:
    apply(FILES, etc)
    assert stat.S_IMODE((etc / "current" / "pjsip.conf").stat().st_mode) & 0o137 == 0
    assert stat.S_IMODE((etc / "current").stat().st_mode) & 0o027 == 0


@pytest.mark.parametrize("name", ["../evil.conf", "/etc/passwd", "a/../../b"])
def test_a_file_cannot_leave_its_generation(etc: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a file"):
        apply({name: "x"}, etc)


def test_a_disk_that_is_full_changes_nothing_and_is_told(etc: Path, asterisk: FakeAsterisk) -> None:
    class Full(Disk):
        def file(self, path: Path, text: str) -> None:
            raise OSError(28, "No space left on device", str(path))

    with pytest.raises(ApplyRefused, match="No space left on device"):
        apply(changed(queues_conf=""), etc, asterisk, disk=Full())
    assert asterisk.current() == FILES
    apply(changed(queues_conf=""), etc, asterisk)
    assert not list((etc / "generations").glob(".*"))


class PowerCut(BaseException):
    """Nothing after it runs."""


class Cuttable(Disk):
    """Cuts the power before its ``steps``-th step; a file is then half written."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in ("folder", "file", "sync", "rename", "link", "remove"):
            if self.left == 0:
                return self.torn if name == "file" else self.cut
            self.left -= 1
        return value

    def torn(self, path: Path, text: str) -> None:
        path.write_text(text[: len(text) // 2])
        raise PowerCut

    def cut(self, *args: object) -> None:
        raise PowerCut


def cuts() -> Iterator[int]:
    yield from itertools.count()


@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
def test_a_power_cut_between_any_two_steps_leaves_a_whole_generation(tmp_path: Path, refused: bool) -> None:
    new = changed(queues_conf="[general]\n[support]\n", extensions_conf="[new]\nexten => s,1,NoOp()\n")
    seen = set()
    for steps in cuts():
        etc = tmp_path / str(steps)
        for number in range(5):  # so that pruning has its steps too
            apply(changed(queues_conf=f"[q{number}]\n"), etc)
        apply(FILES, etc)
        fake = FakeAsterisk(etc)
        fake.start()
        apply(FILES, etc, fake)
        if refused:
            fake.refuses = lambda module, files: "no" if "support" in files["queues.conf"] else None
        try:
            apply(new, etc, fake, disk=Cuttable(steps))
        except PowerCut:
            pass
        except ApplyRefused:
            assert refused
            break
        else:
            assert not refused
            break
        behind = fake.current()
        assert behind in (FILES, new), steps
        seen.add(behind == new)
        # Asterisk lived on: whatever it holds, the next apply brings it and the disk together.
        fake.refuses = lambda module, files: None
        apply(new, etc, fake)
        assert fake.current() == fake.held == new
        assert not list((etc / "generations").glob(".*"))
        assert not list(etc.glob(".link-*"))
    assert steps > 25
    assert seen == {True, False}


def test_unknown_files_wait_for_a_restart() -> None:
    assert modules(["cli.conf", "stasis.conf", "queues.conf"]) == (("app_queue",), ("cli.conf", "stasis.conf"))


class Busy:
    """An Asterisk that is at another reload for the first ``times`` requests."""

    def __init__(self, times: int) -> None:
        self.times, self.asked = times, 0

    def request(self, action: str, headers: Any = (), /) -> Message:
        self.asked += 1
        text = "A reload is in progress" if self.asked <= self.times else "Module Reloaded"
        return decode(f"Response: {'Error' if self.asked <= self.times else 'Success'}\r\nMessage: {text}")

    def request_list(self, action: str, headers: Any = (), /) -> tuple[Message, list[Message]]:
        raise AssertionError("nothing is looked up")


def test_a_reload_waits_for_the_one_in_progress() -> None:
    waits: list[float] = []
    asterisk = Busy(3)
    assert AmiReloader(asterisk, wait=waits.append).reload("app_queue") is None
    assert (asterisk.asked, len(waits)) == (4, 3)


def test_a_reload_that_never_ends_is_told() -> None:
    assert AmiReloader(Busy(10_000), busy_s=2.0, wait=lambda s: None).reload("app_queue") == "A reload is in progress"
