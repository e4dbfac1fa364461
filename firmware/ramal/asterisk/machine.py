"""What Asterisk's files must know about the machine. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """What the files need to know about the machine: absolute paths, ports, the AMI secret, Asterisk's version.

    ``version`` is ``(22, 10)``; ``modules`` and ``music`` are paths as Asterisk sees them (inside its own file system).
    """

    etc: str
    data: str
    lib: str
    log: str
    spool: str
    run: str
    recordings: str
    prompts: str
    own: str
    custom: str
    sip_bind: str
    sip_port: int
    rtp_first: int
    rtp_last: int
    ami_port: int
    ami_secret: str
    external_address: str = ""
    sip_bind6: str = ""
    """An IPv6 address of this machine where phones are answered too (``::`` = all); "" = only at ``sip_bind``."""
    modules: str = "/usr/lib/x86_64-linux-gnu/asterisk/modules"
    music: str = "/usr/share/asterisk/moh"
    version: tuple[int, int] = (22, 10)
