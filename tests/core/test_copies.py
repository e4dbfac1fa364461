"""Where copies go, when, what rclone is told and what it says: tables, and every office file one can think of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import copies, office_file
from ramal.core.copies import Code
from ramal.core.office import Copy
from ramal.core.office_problems import OfficeRefused

PIN = "SHA256:" + "a" * 43
RIGHT = {"kind": "sftp", "host": "nas.local", "folder": "a/b", "user": "ramal", "secret": "s"}


def read(**changed: str | int) -> Copy:
    rows = "\n".join(
        f"{key} = {value}" if isinstance(value, int) else f"{key} = '{value}'"
        for key, value in (RIGHT | changed).items()
    )
    return office_file.read(f"[office]\nname = 'x'\n[copy]\n{rows}\n").copy[0]


def test_a_table_of_five_lines_is_enough_and_is_written_back_the_same() -> None:
    assert read() == Copy("sftp", "nas.local", "a/b", "ramal", "s")
    whole = read(port=2222, fingerprint=PIN, window="22:30-05:00", bandwidth_kbit=800, warn_days=9)
    text = office_file.write(office_file.read("[office]\nname = 'x'\n"))
    assert "[copy]" not in text
    written = office_file.write(office_file.read(office_file.write(_office(whole))))
    assert office_file.read(written).copy == (whole,)


def _office(copy: Copy) -> "office_file.Office":
    from dataclasses import replace

    return replace(office_file.read("[office]\nname = 'x'\n"), copy=(copy,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ftp"},
        {"host": "a b"},
        {"host": "-x"},
        {"host": "a:b"},
        {"port": 70000},
        {"folder": ""},
        {"folder": "../x"},
        {"folder": "a/../b"},
        {"folder": "-rf"},
        {"folder": "a:b"},
        {"folder": "a/ b"},
        {"folder": "a//b"},
        {"folder": 'a"b'},
        {"folder": "/x", "kind": "smb"},
        {"user": "a b"},
        {"user": "-u"},
        {"user": 'a"'},
        {"fingerprint": "SHA256:short"},
        {"fingerprint": ":".join(["AA"] * 32)},
        {"fingerprint": PIN, "kind": "webdav"},
        {"fingerprint": PIN, "kind": "smb"},
        {"window": "25:00-01:00"},
        {"window": "1-2"},
        {"bandwidth_kbit": -1},
        {"warn_days": 0},
    ],
)
def test_what_could_become_something_else_on_the_way_is_refused(wrong: dict[str, str | int]) -> None:
    with pytest.raises(OfficeRefused) as refused:
        read(**wrong)
    assert len(refused.value.problems) == 1


printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60)


@given(st.sampled_from(["sftp", "smb", "webdav"]), printable, printable, printable)
def test_nothing_of_a_secret_or_a_name_becomes_another_setting(kind: str, host: str, user: str, secret: str) -> None:
    copy = Copy(kind, host, "f", user, secret)  # type: ignore[arg-type]
    told = copies.environment(copy, f"obscured-{secret}", "/hosts", "")
    own = {"TYPE", "USER", "PASS", "HOST", "PORT", "URL", "VENDOR", "KNOWN_HOSTS_FILE"}
    own |= {"SET_MODTIME", "KEY_USE_AGENT", "ASK_PASSWORD"}
    assert set(told) <= {f"RCLONE_CONFIG_FAR_{key}" for key in own} | {"RCLONE_CONFIG", "RCLONE_ASK_PASSWORD"}
    assert told["RCLONE_CONFIG_FAR_PASS"] == f"obscured-{secret}"


def test_the_window_knows_midnight() -> None:
    assert copies.into("01:00-06:00", 60) == 0
    assert copies.into("01:00-06:00", 359) == 299
    assert copies.into("01:00-06:00", 360) is None
    assert copies.into("22:00-02:00", 30) == 150
    assert copies.into("22:00-02:00", 21 * 60 + 59) is None
    assert copies.into("00:00-00:00", 700) == 700


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ssh: handshake failed: knownhosts: key mismatch", "key-changed"),
        ("ssh: handshake failed: ssh: unable to authenticate, attempted methods [none password]", "password"),
        ("read metadata failed: Unauthorized: 401 Unauthorized", "password"),
        ("response error: The attempted logon is invalid. This is either due to a bad username", "password"),
        ("x509: certificate signed by unknown authority", "certificate"),
        ("dial tcp: lookup nas.local: no such host", "no-host"),
        ("dial tcp 10.0.0.9:22: connect: connection refused", "unreachable"),
        ("dial tcp 10.0.0.9:22: i/o timeout", "unreachable"),
        ("Update ReadFrom failed: connection lost", "unreachable"),
        ('sftp: "write x: no space left on device" (SSH_FX_FAILURE)', "no-room"),
        ("Insufficient Storage: 507 Insufficient Storage", "no-room"),
        ('sftp: "Permission denied" (SSH_FX_PERMISSION_DENIED)', "no-write"),
        ("Forbidden: 403 Forbidden", "no-write"),
        ("Update mkParentDir failed: Conflict: 409 Conflict", "no-folder"),
        ('sftp: "Failure" (SSH_FX_FAILURE)', "other"),
    ],
)
def test_rclone_s_words_are_understood(said: str, code: Code) -> None:
    assert copies.diagnose(said) == code


def test_every_code_has_a_sentence_and_waiting_grows_to_six_hours() -> None:
    assert set(copies.SENTENCES) == set(Code.__args__)  # type: ignore[attr-defined]
    waits = [copies.wait_ms(tries) for tries in range(1, 40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (60_000, 6 * 3_600_000)
