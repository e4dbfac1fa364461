"""What verifying finds: the command line's English, and what is written down of it."""

import json
from typing import get_args

from ramal.core.flaws import PLACES, SENTENCES, Code, Flaw, Place, row_flaw

SOUND: dict[str, int | str] = {"recording": 32, "path": "recordings/a.ogg.sealed"}
SAID = [
    (row_flaw("row", "row-removed", 3, 3), "row 3: removed from the catalogue"),
    (row_flaw("row", "end-removed", 3, 7), "rows 3 to 7: removed from the end of the catalogue"),
    (
        Flaw("row", "either", "row-changed", {"n": 4, "next": 5}),
        "row 4 (or row 5): changed, or another one was put in its place",
    ),
    (
        Flaw("sound", "sound", "sound-unsealed", SOUND),
        "recording 32 (recordings/a.ogg.sealed): its row was put in: it was never sealed",
    ),
    (
        Flaw("sound", "recording", "sound-removed", {"recording": 32}),
        "recording 32: its row was removed from the database",
    ),
    (
        Flaw("file", "path", "file-size", {**SOUND, "size": 10, "bytes": 20}),
        "recordings/a.ogg.sealed: the file of recording 32 was changed (10 bytes, it had 20)",
    ),
    (
        Flaw("file", "path", "file-spans", SOUND, ((48, 90), (100, 120))),
        "recordings/a.ogg.sealed: the file of recording 32 was changed between byte 48 to 90, byte 100 to 120",
    ),
    (
        Flaw("file", "path", "file-cut", {**SOUND, "said": "This recording's file was cut off."}),
        "recordings/a.ogg.sealed: the file of recording 32 was changed: This recording's file was cut off.",
    ),
    (
        Flaw("file", "path", "file-unread", {**SOUND, "said": "Input/output error", "reason": "EIO"}),
        "recordings/a.ogg.sealed: the file of recording 32 cannot be read: Input/output error",
    ),
]


def test_the_command_line_says_every_finding_in_its_english() -> None:
    assert [f"{flaw.where}: {flaw.what}" for flaw, _ in SAID] == [said for _, said in SAID]
    assert set(SENTENCES) == set(get_args(Code))
    assert set(PLACES) == set(get_args(Place))


def test_a_finding_is_written_down_with_its_code_and_its_english() -> None:
    for flaw, said in SAID:
        row = json.loads(json.dumps(flaw.plain()))
        assert f"{row['where']}: {row['what']}" == said
        assert (row["kind"], row["place"], row["code"], row["args"]) == (flaw.kind, flaw.place, flaw.code, flaw.args)
        assert row["spans"] == [list(span) for span in flaw.spans]
