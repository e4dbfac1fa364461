"""The other side of the comparison: Asterisk as a good hand would set it up for queues with recording, and no more.

Same Asterisk, same pjsip.conf, rtp.conf and other files as Ramal renders for the same office. Left out: CEL, AMI, the
modules only Ramal needs, and what Ramal tunes inside Asterisk (stasis.conf). The queue has Ramal's strategy and times;
app_queue starts the same MixMonitor on answer.
"""

from pathlib import Path

_NEEDLESS = """
res_cdrel_custom cel_custom app_celgenuserevent res_manager_devicestate res_security_log
func_db app_db app_read app_transfer func_sha1 app_senddtmf
"""

EXTENSIONS = """[general]
static = yes
writeprotect = yes

[line-loop]
exten => _[+0-9].,1,Answer()
 same => n,Set(MONITOR_FILENAME={recordings}/${{STRFTIME(${{EPOCH}},UTC,%Y/%m/%d)}}/${{UNIQUEID}})
 same => n,Queue({queue},,,,60)
 same => n,Hangup()

[phone]
exten => _X.,1,Hangup(1)
"""

QUEUES = """[general]
persistentmembers = no
autofill = yes
shared_lastcall = yes

[{queue}]
strategy = leastrecent
timeout = 15
retry = 1
wrapuptime = 0
ringinuse = no
monitor-format = wav
"""


def strip(etc: Path, queue: str, recordings: Path) -> None:
    """Turn the rendered files in ``etc`` into bare Asterisk's."""
    modules = (etc / "modules.conf").read_text()
    kept = [line for line in modules.splitlines() if not any(f" {name}.so" in line for name in _NEEDLESS.split())]
    (etc / "modules.conf").write_text("\n".join(kept) + "\n")
    (etc / "extensions.conf").write_text(EXTENSIONS.format(recordings=recordings, queue=queue))
    (etc / "queues.conf").write_text(QUEUES.format(queue=queue))
    (etc / "cli.conf").write_text("")
    (etc / "cel.conf").write_text("[general]\nenable = no\n")
    (etc / "cel_custom.conf").write_text("[mappings]\n")
    (etc / "stasis.conf").write_text("")
    (etc / "manager.conf").write_text("[general]\nenabled = no\nwebenabled = no\n")
