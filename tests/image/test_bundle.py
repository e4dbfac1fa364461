"""Bundles made and verified by the real RAUC of this machine; installing them as far as that goes without its service.

Emulated: ``rauc install`` itself (it needs D-Bus, dm-verity and block devices) by a script that writes two files and
asks the real backend, ``ramal slot``, in RAUC's order. Everything RAUC verifies by itself is the real program.
"""

import json
import os
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from ramal import cli
from ramal.box.image import Image
from ramal.box.rauc import Bundle, BundleRefused, Rauc, checked, inspected, payload_is_whole
from ramal.box.slots import Boot
from ramal.box.updating import Updating
from ramal.core import slots, updates
from ramal.core.slots import Trying
from ramal.core.updates import Asked, Standing
from ramal.errors import RamalError
from ramal_image import bundle as making
from ramal_image.bundle import BundleFailed, Keys, make_bundle, make_keys, signer_of, system_conf

pytestmark = pytest.mark.skipif(
    not all(shutil.which(name) for name in ("rauc", "openssl", "mkfs.vfat", "mcopy")), reason="no rauc on this machine"
)
MIB = 1 << 20


class Bench:
    """Keys and a good bundle, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = make_keys(folder / "keys")
        (folder / "root.img").write_bytes(os.urandom(2 * MIB))
        self.boot = folder / "boot.vfat"
        with self.boot.open("wb") as file:
            file.truncate(40 * MIB)
        (folder / "cmdline.txt").write_text("console=tty1 ramal.slot=A quiet\n")
        subprocess.run(["mkfs.vfat", "-F", "32", "-s", "1", str(self.boot)], check=True, capture_output=True)
        subprocess.run(["mcopy", "-i", str(self.boot), str(folder / "cmdline.txt"), "::"], check=True)
        self.good = self.make("1.1.0")

    def make(self, version: str, arch: str = "amd64", keys: Keys | None = None) -> Path:
        name = self.folder / f"{arch}-{version}-{'own' if keys is None else keys.key.stem}.raucb"
        return make_bundle(arch, version, self.boot, self.folder / "root.img", keys or self.keys, name)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def image(tmp_path: Path, bench: Bench) -> Image:
    """The files of a box of version 1.0.0 in slot A."""
    found = Image(tmp_path)
    for folder in ("etc/rauc", "proc/self", "bootsel", "data/ramal", "dev/virtio-ports", "run/ramal"):
        (tmp_path / folder).mkdir(parents=True)
    conf = system_conf("amd64").replace(making.KEYRING, str(bench.keys.keyring))
    found.system_conf.write_text(conf.replace(making.STATUS, str(tmp_path / "rauc.status")))
    found.release.write_text("VERSION=1.0.0\n")
    found.command_line.write_text("ramal.slot=A\n")
    found.autoboot.write_bytes(slots.render_autoboot("A"))
    found.tryboot_flags[0].touch()
    found.updates.mkdir()
    return found


def test_a_bundle_of_ours_says_what_it_is(image: Image, bench: Bench) -> None:
    bundle = Rauc(image).verified(str(bench.good))
    assert (bundle.compatible, bundle.version) == ("ramal-amd64", "1.1.0")


def test_a_second_authority_is_trusted_for_the_day_the_first_one_is_lost(image: Image, bench: Bench) -> None:
    signer = signer_of(bench.folder / "keys", "next")
    assert Rauc(image).verified(str(bench.make("1.2.0", keys=signer))).version == "1.2.0"


def refused(image: Image, source: Path | str) -> str:
    with pytest.raises(BundleRefused) as told:
        Rauc(image).verified(str(source))
    assert "the release that runs goes on" in str(told.value)
    return told.value.code


def test_a_bundle_of_other_keys_is_refused(image: Image, bench: Bench, tmp_path: Path) -> None:
    assert refused(image, bench.make("9.0", keys=make_keys(tmp_path / "evil"))) == "signature"


def test_a_bundle_for_another_machine_is_refused(image: Image, bench: Bench) -> None:
    assert refused(image, bench.make("1.1.0", arch="arm64")) == "other-machine"


@pytest.mark.parametrize("where", [0, 4096, 1_000_000, -900, -600])
def test_one_changed_byte_anywhere_is_refused(image: Image, bench: Bench, tmp_path: Path, where: int) -> None:
    """In the content (which RAUC's own look does not read), in the tree of hashes and in the signature."""
    data = bytearray(bench.good.read_bytes())
    data[where] ^= 0x20
    (tmp_path / "x.raucb").write_bytes(data)
    assert refused(image, tmp_path / "x.raucb") == "signature"


@pytest.mark.parametrize("size", [0, 10, 5000, 1_000_000])
def test_a_bundle_that_ends_early_is_refused(image: Image, bench: Bench, tmp_path: Path, size: int) -> None:
    (tmp_path / "x.raucb").write_bytes(bench.good.read_bytes()[:size])
    assert refused(image, tmp_path / "x.raucb") in ("signature", "no-bundle")


def test_addresses_that_are_none_are_not_even_asked(image: Image) -> None:
    for source in (
        "",
        "x.raucb",
        "ftp://box/x",
        "http://",
        "https:///x",
        "/nowhere/x.raucb",
        "http://a/\n",
        "x" * 3000,
    ):
        with pytest.raises(BundleRefused):
            checked(source)
    assert checked("https://updates.example/x.raucb") == "https://updates.example/x.raucb"


def test_an_address_is_asked_of_raucs_service_and_its_no_is_told(image: Image) -> None:
    """Here a bus on which no RAUC serves; streaming itself is proved in the VM."""
    for bus, code in (
        ("echo no such name >&2; exit 1", "failed"),
        ("echo server not responding; exit 1", "unreachable"),
    ):
        with pytest.raises(BundleRefused) as refusal:
            Rauc(image, bus=("sh", "-c", bus)).verified("http://127.0.0.1:9/x.raucb")
        assert refusal.value.code == code


def test_the_tree_of_hashes_is_computed_as_rauc_does(bench: Bench) -> None:
    assert not payload_is_whole(bench.good, 16384, b"", b"\0" * 32)


def test_no_bundle_is_made_of_a_version_with_blanks(bench: Bench) -> None:
    for version in ("", "1 0", "1\n0"):
        with pytest.raises(BundleFailed):
            bench.make(version)
    with pytest.raises(BundleFailed):
        making.compatible("mips")


def test_keys_are_made_once_and_are_nobody_elses(bench: Bench) -> None:
    before = bench.keys.key.read_bytes()
    assert make_keys(bench.folder / "keys") == bench.keys
    assert bench.keys.key.read_bytes() == before
    assert bench.keys.key.stat().st_mode & 0o077 == 0
    assert bench.keys.keyring.read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("slot", slots.SLOTS)
def test_the_hook_names_the_slot_in_the_boot_partition_it_was_written_to(tmp_path: Path, slot: str) -> None:
    hook, boot = tmp_path / "hook.sh", tmp_path / "boot"
    hook.write_text(making._HOOK)
    boot.mkdir()
    (boot / "cmdline.txt").write_text("console=tty1 ramal.slot=A quiet\n")
    given = {"RAUC_SLOT_CLASS": "boot", "RAUC_SLOT_BOOTNAME": slot, "RAUC_SLOT_MOUNT_POINT": str(boot)}
    subprocess.run(["sh", str(hook), "slot-post-install"], check=True, env=os.environ | given)
    assert (boot / "cmdline.txt").read_text() == f"console=tty1 ramal.slot={slot} quiet\n"
    assert os.listdir(boot) == ["cmdline.txt"]
    (boot / "cmdline.txt").write_text("console=tty1 quiet\n")
    done = subprocess.run(["sh", str(hook), "slot-post-install"], env=os.environ | given, capture_output=True)
    assert done.returncode, "a boot partition that does not know its slot must not be armed"


def test_what_the_root_gets_names_our_backend_and_no_partition_of_the_boot_selector(bench: Bench) -> None:
    found = making.files("arm64", bench.keys)
    assert found[making.BACKEND] == ('#!/bin/sh\nexec /opt/ramal/bin/ramal slot "$@"\n', 0o755)
    text = found[making.SYSTEM_CONF][0]
    assert "bootsel" not in text
    assert "compatible=ramal-arm64\nbootloader=custom\n" in text
    assert [line for line in text.splitlines() if line.startswith("bootname=")] == ["bootname=A", "bootname=B"]


@pytest.mark.parametrize(
    ("slot", "default", "trying", "leaves"),
    [
        ("A", "A", "", False),
        ("B", "B", "", False),
        ("B", "A", "", True),
        ("A", "B", "B started\n", True),
        ("B", "", "B started\n", True),
        ("A", "", "B started\n", False),
        ("A", "", "", False),
    ],
)
def test_a_release_that_says_nothing_is_left_by_a_shell_alone(
    tmp_path: Path, slot: str, default: slots.Slot, trying: str, leaves: bool
) -> None:
    script = tmp_path / "trial-over"
    script.write_text(making._TRIAL_OVER)
    for folder in ("proc", "bootsel", "data/system/slots"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/cmdline").write_text(f"quiet ramal.slot={slot} panic=10\n")
    if default:
        (tmp_path / "bootsel/autoboot.txt").write_bytes(slots.render_autoboot(default))
    (tmp_path / "data/system/slots/trying").write_text(trying)
    given = os.environ | {"RAMAL_IMAGE_ROOT": str(tmp_path), "RAMAL_RESTART": "echo RESTART"}
    done = subprocess.run(["sh", str(script)], env=given, capture_output=True, text=True, check=True)
    assert ("RESTART" in done.stdout) is leaves


# -- installing --------------------------------------------------------------------------------------------------------

STAND_IN = """#!/bin/sh
for word in "$@"; do last="$word"; done
case "$*" in
*" info "*) exec rauc "$@";;
esac
slot() { RAMAL_IMAGE_ROOT="@root@" "@python@" -m ramal slot "$@"; }
echo "installing"
echo "  0% Installing"
[ -e "@root@/fail" ] && { echo " 20% Checking bundle"; echo "LastError: No space left on device"; exit 1; }
slot set-state B bad || { echo "LastError: Failed marking slot boot.1 non-bootable"; exit 1; }
echo " 60% Copying image to rootfs.1"
slot set-primary B || exit 1
[ -e "@root@/swapped" ] && {
    printf '[slot.rootfs.1]\\nbundle.version=%s\\n' "$(cat "@root@/swapped")" > "@root@/rauc.status"
}
echo "100% Installing done."
echo "Installing \\`$last\\` succeeded"
"""


@pytest.fixture
def updating(image: Image, tmp_path: Path) -> Updating:
    script = tmp_path / "rauc"
    script.write_text(STAND_IN.replace("@root@", str(tmp_path)).replace("@python@", sys.executable))
    script.chmod(0o755)
    ran: list[list[str]] = []
    boot = Boot(image, ran.append, lambda: 1_795_000_000_000)
    return Updating(boot, Rauc(image, (str(script),)))


def upload(image: Image, bundle: Path) -> Path:
    return Path(shutil.copy(bundle, image.updates / f"{'0123456789abcdef' * 2}.raucb"))


def asked(image: Image, asked: Asked) -> None:
    image.request.write_text(updates.asked_text(asked))


def standing(image: Image) -> Standing:
    return updates.parse_standing(image.progress.read_text())


def test_an_update_asked_for_by_the_daemon_is_installed_and_told(
    image: Image, bench: Bench, updating: Updating
) -> None:
    told: list[Standing] = []
    updating.told = told.append
    file = upload(image, bench.good)
    asked(image, Asked("install", str(file), "owner", 7))
    assert updating.serve()
    assert not updating.serve(), "a request is done once"
    assert standing(image).phase == "installed"
    assert (standing(image).version, standing(image).asked_ms) == ("1.1.0", 7)
    assert [phase for phase, _ in groupby(one.phase for one in told)] == ["verifying", "installing", "installed"]
    assert updating.boot.facts().trying == Trying("B", "armed")
    assert updating.boot.facts().note("B").version == "1.1.0"
    assert slots.parse_autoboot(image.autoboot.read_bytes()) == slots.Autoboot("A", "B")
    assert not file.exists()
    asked(image, Asked("try", at_ms=8))
    assert updating.serve()
    assert image.tryboot_flags[0].read_text() == "tryboot\n"
    assert standing(image).phase == "restarting"


def test_an_update_that_fails_leaves_what_runs_and_says_why(image: Image, bench: Bench, updating: Updating) -> None:
    (image.root / "fail").touch()
    asked(image, Asked("install", str(upload(image, bench.good)), "owner", 7))
    assert updating.serve()
    assert (standing(image).phase, standing(image).code) == ("failed", "no-room")
    assert [(one.what, one.version, one.why) for one in updating.boot.history()] == [("failed", "1.1.0", "no-room")]
    assert updating.boot.facts().trying is None


def test_a_bundle_that_is_damaged_never_reaches_a_slot(image: Image, bench: Bench, updating: Updating) -> None:
    file = upload(image, bench.good)
    with file.open("r+b") as spoilt:
        os.pwrite(spoilt.fileno(), b"spoilt", 70_000)
    asked(image, Asked("install", str(file), "owner", 7))
    assert updating.serve()
    assert (standing(image).phase, standing(image).code) == ("failed", "signature")
    assert updating.boot.facts().note("B").state == "unknown"


def test_an_older_release_is_installed_by_root_at_the_console_and_not_for_the_daemon(
    image: Image, bench: Bench, updating: Updating
) -> None:
    """Its signature is good and its faults are known: who took the daemon over would want it."""
    image.release.write_text("VERSION=1.10.0\n")
    asked(image, Asked("install", str(upload(image, bench.good)), "owner", 7))
    assert updating.serve()
    assert (standing(image).phase, standing(image).code) == ("failed", "older")
    assert updating.boot.facts().note("B").state == "unknown"
    assert updating.boot.facts().trying is None
    assert updating.install(str(bench.good), older_too=True) == "1.1.0"


def test_a_bundle_that_is_exchanged_for_an_older_one_after_the_look_is_not_started(
    image: Image, bench: Bench, updating: Updating
) -> None:
    """What RAUC noted before this installation tells nothing of it; what it notes during it does."""
    (image.root / "rauc.status").write_text("[slot.rootfs.1]\nbundle.version=0.9.0\n")
    os.utime(image.root / "rauc.status", (1, 1))
    assert updating.install(str(bench.good)) == "1.1.0"
    (image.root / "swapped").write_text("1.1.0")
    assert updating.install(str(bench.good)) == "1.1.0"
    (image.root / "swapped").write_text("0.9.0")
    asked(image, Asked("install", str(upload(image, bench.good)), "owner", 7))
    assert updating.serve()
    assert (standing(image).phase, standing(image).code) == ("failed", "older")
    assert updating.boot.facts().trying is None
    assert updating.boot.facts().note("B").state == "writing"
    asked(image, Asked("try", at_ms=8))
    assert updating.serve()
    assert image.tryboot_flags[0].read_text() == ""


def test_nothing_is_installed_while_a_release_runs_on_trial(image: Image, bench: Bench, updating: Updating) -> None:
    image.command_line.write_text("ramal.slot=B\n")
    with pytest.raises(RamalError, match="on trial"):
        updating.install(str(bench.good))
    assert standing(image).code == "on-trial"


def test_root_opens_no_file_the_daemon_may_not_name(image: Image, bench: Bench, updating: Updating) -> None:
    secret = image.root / "etc/shadow.raucb"
    shutil.copy(bench.good, secret)
    (image.updates / "link.raucb").symlink_to(secret)
    for source in (secret, image.updates / "link.raucb", image.updates / "../../../etc/shadow.raucb"):
        asked(image, Asked("install", str(source), "x", 1))
        assert updating.serve()
        assert standing(image).code == "no-file"
    assert secret.exists()


@pytest.mark.parametrize("text", ["", "{", '{"act":"rm","at_ms":1}', '{"act":"install","source":5,"at_ms":1}', "[1]"])
def test_a_request_that_is_none_is_taken_away_and_forgotten(image: Image, updating: Updating, text: str) -> None:
    image.request.write_text(text)
    assert not updating.serve()
    assert not image.request.exists()


def test_progress_is_never_written_through_a_link(image: Image, updating: Updating) -> None:
    target = image.root / "target"
    target.write_text("precious")
    (image.updates / ".progress.json.new").symlink_to(target)
    image.progress.symlink_to(target)
    asked(image, Asked("try", at_ms=1))
    assert updating.serve()
    assert target.read_text() == "precious"
    assert standing(image).code == "not-armed"


def test_what_the_daemon_exchanges_its_folder_for_loses_nothing(image: Image, updating: Updating) -> None:
    """Neither a file that is named in the request nor one of the names root writes."""
    precious = image.root / "precious"
    precious.mkdir()
    kept = dict.fromkeys(("slots.raucb", f"{'0' * 32}.raucb", "progress.json", ".progress.json.new"), "root's")
    for name, text in kept.items():
        (precious / name).write_text(text)
    image.updates.rmdir()
    image.updates.symlink_to(precious)
    for name in kept:
        updating._tidy(Asked("install", str(image.updates / name), "x", 1))
        updating._say("verifying")
    assert {path.name: path.read_text() for path in precious.iterdir()} == kept


def test_only_an_upload_of_the_daemon_is_removed(image: Image, updating: Updating) -> None:
    names = ("another.raucb", "progress.json", "00.raucb", f"{'0' * 32}.raucb")
    for name in names:
        (image.updates / name).touch()
        updating._tidy(Asked("install", str(image.updates / name), "x", 1))
    assert sorted(path.name for path in image.updates.iterdir()) == sorted(names[:3])


def test_updates_are_found_on_usb_sticks_and_on_no_other_disk(image: Image, bench: Bench, updating: Updating) -> None:
    block = image.root / "sys/block"
    for disk, removable in (("mmcblk0", "0"), ("sda", "1"), ("sdb", "1"), ("loop0", "1")):
        (block / disk / f"{disk}1").mkdir(parents=True)
        (block / disk / f"{disk}1" / "partition").write_text("1\n")
        (block / disk / "removable").write_text(f"{removable}\n")
    (image.root / "run/ramal-initrd").mkdir()
    (image.root / "run/ramal-initrd/disk").write_text("sdb\n")  # the box itself runs from the second stick
    mounted = image.sticks / "sda1"
    mounted.mkdir(parents=True)
    image.mounts.write_text(f"36 35 98:0 / {mounted} ro,nosuid - vfat /dev/sda1 ro\n")
    shutil.copy(bench.good, mounted / "ramal 1.1.0.raucb")
    (mounted / ".hidden.raucb").touch()
    (mounted / "evil\n.raucb").touch()
    (mounted / "link.raucb").symlink_to("/etc/passwd")
    asked(image, Asked("look", at_ms=1))
    assert updating.serve()
    assert standing(image).sticks == (str(mounted / "ramal 1.1.0.raucb"),)
    asked(image, Asked("install", standing(image).sticks[0], "owner", 2))
    assert updating.serve()
    assert standing(image).phase == "installed"
    assert (mounted / "ramal 1.1.0.raucb").exists()


def test_a_person_installs_and_looks_from_the_command_line(
    image: Image, bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAMAL_IMAGE_ROOT", str(image.root))
    assert cli.main(["update"]) == 0
    assert capsys.readouterr().out == "Version 1.0.0 runs in slot A.\nSlot B: ? (unknown).\n"
    assert cli.main(["update", "install", str(bench.make("7.0", arch="arm64"))]) == 1
    assert "for another kind of machine" in capsys.readouterr().err
    assert cli.main(["update", "install"]) == 1
    assert cli.main(["update", "try"]) == 1
    assert "No other release waits" in capsys.readouterr().err
    boot = Boot(image)
    with boot.alone():
        boot.carry_out(slots.written(boot.facts(), "B", 1))
        boot.carry_out(slots.named(boot.facts(), "B", "1.1.0", 2))
    assert cli.main(["update", "history"]) == 0
    assert "installed  B  1.1.0" in capsys.readouterr().out


def test_what_rauc_tells_of_a_streamed_bundle_is_read_and_nothing_else_is() -> None:
    def typed(kind: str, data: object) -> dict[str, object]:
        return {"type": kind, "data": data}

    update = typed("a{sv}", {"compatible": typed("s", "ramal-amd64"), "version": typed("s", "1.2.0")})
    for told in (update, typed("v", update)):
        answer = {"type": "a{sv}", "data": [{"manifest-hash": typed("s", "00"), "update": told}]}
        assert inspected(json.dumps(answer)) == Bundle("ramal-amd64", "1.2.0")
    for other in ("", "{}", '{"data": []}', '{"data": [[]]}', '{"data": [{"update": {"data": {"version": 1}}}]}'):
        with pytest.raises(BundleRefused):
            inspected(other)
