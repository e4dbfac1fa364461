"""What an alarm and the mail server need, beyond one value: a limit that means something, a way to send. Pure."""

from ramal.core.office_problems import Ledger
from ramal.core.office_rows import Row, Rows
from ramal.core.office_tables import ALARM, MAIL


def check(rows: Rows, ledger: Ledger) -> None:
    """Note what alarms lack."""
    for row in rows["alarm"]:
        _limit(row, ledger)
        _mail(row, rows, ledger)
    for row in rows["recordings"]:
        _server_for(row, rows, ledger, "seal_mail", "recordings")
    for row in rows["mail"]:
        _server(row, ledger)
    for row in rows["copy"]:
        _copy(row, ledger)
    for row in rows["backup"]:
        if row.values.get("off_box") and not rows["copy"]:
            ledger.add((*row.path, "off_box"), "no-copy")


def _limit(row: Row, ledger: Ledger) -> None:
    measure = row.values.get("measure")
    if measure in (None, "no-agent", "backup") or row.refused("limit"):
        return
    limit = row.values.get("limit")
    if measure == "service-level" and not 1 <= (limit or 0) <= 100:
        path = row.path if limit is None else (*row.path, "limit")
        ledger.add(path, "alarm-limit", "limit = 80", measure=measure, bounds=" from 1 to 100 percent")
    elif limit is None:
        ledger.add(row.path, "alarm-limit", ALARM.setting("limit").example, measure=measure, bounds="")


def _mail(row: Row, rows: Rows, ledger: Ledger) -> None:
    _server_for(row, rows, ledger, "mail", row.identity or "this alarm")
    if row.values.get("webhook_secret") and not row.refused("webhook") and not row.values.get("webhook"):
        example = ALARM.setting("webhook").example
        ledger.add((*row.path, "webhook_secret"), "queue-needs", example, key="webhook_secret", needs="webhook")


def _server_for(row: Row, rows: Rows, ledger: Ledger, key: str, name: str) -> None:
    """Who names people to tell by mail (``key``) needs the server that takes it."""
    if row.values.get(key) and not rows["mail"]:
        ledger.add((*row.path, key), "no-mail", name=name)


def _server(row: Row, ledger: Ledger) -> None:
    if row.values.get("password") and row.values.get("security") == "none":
        ledger.add((*row.path, "security"), "mail-plain")
    if row.values.get("password") and not row.values.get("username") and not row.refused("username"):
        example = MAIL.setting("username").example
        ledger.add((*row.path, "password"), "queue-needs", example, key="password", needs="username")


def _copy(row: Row, ledger: Ledger) -> None:
    kind, mark = row.values.get("kind"), row.values.get("fingerprint")
    if row.values.get("folder", "x").startswith("/") and kind == "smb":
        ledger.add((*row.path, "folder"), "folder", 'folder = "share/ramal"', value=row.values["folder"])
    if not mark or not kind or (kind != "smb" and mark.startswith("SHA256:") == (kind == "sftp")):
        return
    why = {
        "sftp": "The fingerprint of a host key begins with “SHA256:”.",
        "webdav": "The fingerprint of a certificate is 32 pairs of 0-9 A-F with colons between.",
    }.get(kind, "There is no fingerprint with smb.")
    ledger.add((*row.path, "fingerprint"), "fingerprint-kind", 'fingerprint = ""', why=why)
