"""Debian packages from a small signed archive: fetched, verified and unpacked by the real apt, dpkg and tar."""

import shutil
from pathlib import Path

import pytest

from ramal.provide import archive
from ramal.provide.archive import Archive, ArchiveError, debian_uris

HERE = Path(__file__).parent / "archive"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A copy of the signed archive that a test may spoil."""
    return Path(shutil.copytree(HERE, tmp_path / "mirror"))


def at(mirror: Path, keyring: str = "right-keyring.gpg") -> Archive:
    return Archive(f"copy:{mirror}", "forky", HERE / keyring)


def test_a_package_comes_with_what_it_depends_on(mirror: Path, tmp_path: Path) -> None:
    debs = archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads")
    assert sorted(deb.name for deb in debs) == ["bell_1.0_all.deb", "rope_1.0_all.deb"]
    assert all(deb.stat().st_size > 0 for deb in debs)


def test_packages_for_arm64_are_fetched_on_any_machine(mirror: Path, tmp_path: Path) -> None:
    assert len(archive.fetch(at(mirror), ["bell"], "arm64", tmp_path / "downloads")) == 2


def test_an_archive_signed_by_a_stranger_is_refused(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="Debian's package index could not be fetched"):
        archive.fetch(at(mirror, "wrong-keyring.gpg"), ["bell"], "amd64", tmp_path / "downloads")
    assert not list((tmp_path / "downloads").rglob("*.deb"))


def test_an_archive_without_a_signature_is_refused(mirror: Path, tmp_path: Path) -> None:
    signed = (mirror / "dists/forky/InRelease").read_text()
    body = signed.split("-----BEGIN PGP SIGNATURE-----")[0].split("\n\n", 1)[1]
    (mirror / "dists/forky/InRelease").unlink()
    (mirror / "dists/forky/Release").write_text(body)
    with pytest.raises(ArchiveError):
        archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads")
    assert not list((tmp_path / "downloads").rglob("*.deb"))


def test_an_index_changed_after_signing_is_refused(mirror: Path, tmp_path: Path) -> None:
    index = mirror / "dists/forky/main/binary-amd64/Packages"
    index.write_text(index.read_text().replace("Version: 1.0", "Version: 1.1"))
    with pytest.raises(ArchiveError):
        archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads")


def test_a_package_changed_after_signing_is_refused(mirror: Path, tmp_path: Path) -> None:
    deb = mirror / "pool/bell_1.0_all.deb"
    content = bytearray(deb.read_bytes())
    content[-1] ^= 1
    deb.write_bytes(content)
    with pytest.raises(ArchiveError, match="could not be downloaded"):
        archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads")


def test_a_package_that_does_not_exist_is_one_sentence(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="does not offer whistle for amd64"):
        archive.fetch(at(mirror), ["whistle"], "amd64", tmp_path / "downloads")


def test_a_mirror_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="run this again"):
        archive.fetch(at(tmp_path / "none"), ["bell"], "amd64", tmp_path / "downloads")


def test_what_an_interrupted_download_had_fetched_is_used_again(mirror: Path, tmp_path: Path) -> None:
    bell = mirror / "pool/bell_1.0_all.deb"
    away = bell.rename(tmp_path / "bell.deb")
    with pytest.raises(ArchiveError):
        archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads")
    away.rename(bell)
    (mirror / "pool/rope_1.0_all.deb").unlink()
    debs = archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads")
    assert all(deb.exists() for deb in debs)
    assert len(debs) == 2


def test_unpacked_packages_lie_in_one_merged_usr_without_setuid_and_docs(mirror: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    archive.unpack(archive.fetch(at(mirror), ["bell"], "amd64", tmp_path / "downloads"), root)
    assert (root / "lib").readlink() == Path("usr/lib")
    assert (root / "usr/lib/clapper").read_text() == "from /lib\n"
    assert (root / "usr/bin/bell").stat().st_mode & 0o7777 == 0o755
    assert (root / "usr/share/bell/link").readlink() == Path("../../bin/bell")
    assert (root / "usr/share/rope/strength").exists()
    assert not (root / "usr/share/doc/bell").exists()


def test_a_package_file_cut_short_is_one_sentence(mirror: Path, tmp_path: Path) -> None:
    deb = mirror / "pool/bell_1.0_all.deb"
    deb.write_bytes(deb.read_bytes()[:-40])
    with pytest.raises(ArchiveError, match=r"bell_1.0_all\.deb could not be unpacked"):
        archive.unpack([deb], tmp_path / "root")


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="are needed"):
        archive.room(tmp_path, 1e18)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        pytest.param(
            [("Debian", "bookworm-security", "main", "http://s/"), ("Debian", "bookworm", "main", "http://d/")],
            ["http://d/"],
            id="security is not the archive",
        ),
        pytest.param([("Google", "bookworm", "main", "http://g/")], [], id="another's archive of the same name"),
        pytest.param([("", "cloud-sdk-bookworm", "main", "http://g/")], [], id="a third party not fetched yet"),
        pytest.param([("Raspbian", "bookworm", "main", "http://r/")], [], id="a derivative signed by others"),
        pytest.param([("Debian", "bookworm", "contrib", "http://d/")], [], id="not the main component"),
        pytest.param([("", "bookworm", "main", "cdrom:[Debian]/")], [], id="a CD has one suite only"),
        pytest.param([("", "bookworm", "", "http://d/")], ["http://d/"], id="before the first apt-get update"),
        pytest.param([("Debian", "stable", "main", "http://d/")], ["http://d/"], id="a suite by its role"),
        pytest.param(
            [("Debian", "bookworm-updates", "main", "http://u/"), ("Debian", "bookworm", "main", "http://d/")],
            ["http://d/", "http://u/"],
            id="the full archive first",
        ),
        pytest.param(
            [("Debian", "bookworm", "main", "mirror+file:/etc/apt/mirrors/debian.list")],
            ["mirror+file:/etc/apt/mirrors/debian.list"],
            id="a cloud image's list of mirrors",
        ),
    ],
)
def test_only_the_machines_own_debian_mirror_is_used(
    targets: list[tuple[str, str, str, str]], expected: list[str]
) -> None:
    assert debian_uris(targets, "bookworm") == expected


def test_this_machines_mirror_is_found_and_its_keyring_is_debians() -> None:
    found = archive.machine_archive("forky")
    assert found.keyring in archive.KEYRINGS
    assert found.uri
