"""One box's home: the one folder everything is written to, its settings and its secrets.

Law: no other module builds a path inside the home, and nothing is written outside it (but for the shared cache of
Asterisk's packages). Layout::

    settings.toml            ports and addresses, for people to edit
    secrets/                 ami, web-session, phones, one-time-password: random, 0640
    db/ramal.db              settings, history
    recordings/2026/11/22/   talks and messages, named by call
    copies/                  what the off-box copy works with; nothing in it is needed again
    backups/                 the nightly backups, where neither [backup] nor RAMAL_BACKUPS says otherwise
    seals/                   heads of the recordings' catalogue: one line a day, and the last one
    prompts/                 spoken texts, per language; what is played, and what the machine spoke
    own/                     sounds people gave: prompts, music on hold; what comes in and is not kept yet
    voices/                  voice models that people laid there (asterisk.voices)
    asterisk/                etc (generations, current, custom), data, lib, log, spool, run
    log/  run/               our own logs; sockets, locks, process ids
"""

import contextlib
import os
import stat
import threading
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from ramal.errors import RamalError

PATH_MARKS = " /._-+@~%:='!#"
"""What a home's path may hold of ASCII beside letters and digits: in Asterisk's files the others begin comments,
separate arguments or match names."""

UMASK = 0o027
"""For every process of a box: recordings, journals and logs are readable by its user and group only."""
BOX_HOME, BOX_BACKUPS = Path("/data/ramal"), Path("/data/backups")
"""Of a box that was started from an image of ours (BOX_RELEASE)."""
BOX_RELEASE = Path("/etc/ramal-release")
SOCKET_PATH_MAX = 100
"""Bytes. The kernel's limit for a unix socket's path is 107; Asterisk adds a suffix to its own."""


class SettingsRefused(RamalError):
    """settings.toml cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Ports and addresses of one box. Ports 1 to 65535; binds are IP addresses of this machine (0.0.0.0 = all)."""

    sip_bind: str = "127.0.0.1"
    sip_port: int = 5060
    rtp_first: int = 10000
    rtp_last: int = 10999
    ami_port: int = 5038
    page_bind: str = "127.0.0.1"
    page_port: int = 8080
    external_address: str = ""
    """The public address or name of the router, when the box stands behind one and a SIP trunk is on the Internet."""
    disk_reserve_mb: int = 200
    """Below this much free space on the recordings' disk a warning is raised."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home. Making a Home touches nothing; ``prepare`` creates the folders and the secrets."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "settings.toml"

    @property
    def db(self) -> Path:
        return self.root / "db" / "ramal.db"

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    @property
    def ballast(self) -> Path:
        """Room that is held for the day the disk is full (box.ballast)."""
        return self.root / "ballast" / "room"

    @property
    def recordings_work(self) -> Path:
        """Recordings being turned into what is kept; on the recordings' own disk. Nothing in it is needed again."""
        return self.recordings / ".vault"

    @property
    def recordings_key(self) -> Path:
        """What recordings are encrypted with (vault.keys); without it they can never be played again."""
        return self.root / "secrets" / "recordings.key"

    @property
    def copies(self) -> Path:
        """What rclone is given beside its environment: host keys, certificates; downloads being compared."""
        return self.root / "copies"

    @property
    def backups(self) -> Path:
        """Where backups go when the office's ``[backup]`` names no folder: RAMAL_BACKUPS, on a box beside the home (a
        reset or a restore of the home does not touch them), else inside it."""
        beside = BOX_BACKUPS if self.root == BOX_HOME else self.root / "backups"
        return Path(os.environ.get("RAMAL_BACKUPS") or beside)

    @property
    def backup_key(self) -> Path:
        """What backups are encrypted with, and the recovery code that opens them elsewhere (vault.backup_keys)."""
        return self.root / "secrets" / "backup.key"

    @property
    def network_file(self) -> Path:
        """The network settings of a box that is a whole machine; beside the home, not a part of it."""
        return self.root.parent / "system" / "network.toml"

    @property
    def seals(self) -> Path:
        """Heads of the recordings' catalogue, kept apart from the database (vault.heads)."""
        return self.root / "seals"

    @property
    def prompts(self) -> Path:
        return self.root / "prompts"

    @property
    def own(self) -> Path:
        """Sounds people gave: ``prompts``, ``music``, ``takes`` (recorded at a phone), ``incoming`` (being sent)."""
        return self.root / "own"

    @property
    def own_prompts(self) -> Path:
        return self.own / "prompts"

    @property
    def own_music(self) -> Path:
        """Music on hold, one folder a class."""
        return self.own / "music"

    @property
    def incoming(self) -> Path:
        """Files on their way in, and what is being made of them."""
        return self.own / "incoming"

    @property
    def voices(self) -> Path:
        return self.root / "voices"

    @property
    def etc(self) -> Path:
        """Asterisk's configuration: ``generations/0007``, ``current`` (a link to one of them) and ``custom``."""
        return self.root / "asterisk" / "etc"

    @property
    def asterisk_etc(self) -> Path:
        return self.etc / "current"

    @property
    def asterisk_data(self) -> Path:
        return self.root / "asterisk" / "data"

    @property
    def asterisk_lib(self) -> Path:
        return self.root / "asterisk" / "lib"

    @property
    def asterisk_log(self) -> Path:
        """Asterisk's journals: ``queue_log`` and ``cel-custom/ramal.csv``."""
        return self.root / "asterisk" / "log"

    @property
    def asterisk_spool(self) -> Path:
        return self.root / "asterisk" / "spool"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def run(self) -> Path:
        """Sockets, locks and process ids. Moves to a short path when the home's is too long for a unix socket."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) + len("/asterisk.ctl.123456") <= SOCKET_PATH_MAX:
            return inside
        import hashlib
        import tempfile

        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"ramal-{os.getuid()}-{digest}"

    @property
    def control_sock(self) -> Path:
        return self.run / "control.sock"

    @property
    def claim_anew(self) -> Path:
        """There when somebody at the box asked for a new claim (box.card); the next ``ramal prepare`` does it."""
        return self.root / "claim-anew"

    @property
    def writer_lock(self) -> Path:
        """Locked by the one process that may write here: the daemon, or a command while no daemon runs."""
        return self.root / "writer.lock"

    @property
    def starts(self) -> Path:
        """When the daemon was started lately without having ended cleanly: one time in ms a line."""
        return self.root / "starts"

    @property
    def session_key(self) -> Path:
        return self.root / "secrets" / "web-session"

    @property
    def one_time_password(self) -> Path:
        """Holds the owner's first password until it is changed in the page."""
        return self.root / "secrets" / "one-time-password"

    @property
    def claim(self) -> Path:
        """Holds the code by which a new box is claimed; there only while nobody has (box.claim)."""
        return self.root / "secrets" / "claim"

    @property
    def security_log(self) -> Path:
        """What Asterisk says of sign-ins; in ``run``, because it is for the guard of this hour (box.firewall) only."""
        return self.run / "security.log"

    @property
    def page_failures(self) -> Path:
        """A line for every failed sign-in at the page, where a guard reads them (it makes the file)."""
        return self.run / "page-failures"

    @property
    def safe_mode(self) -> Path:
        """There while the box is in safe mode (box.safe): empty, or ``no-data``."""
        return self.run / "safe-mode"

    @property
    def issue(self) -> Path:
        """What the box's console says above its login (agetty), while there is something to say."""
        return self.run / "issue"

    @property
    def virtual(self) -> Path:
        """The virtual phones' own folders and status."""
        return self.root / "virtual"

    @property
    def virtual_phones_file(self) -> Path:
        """What the virtual phones are to do, as JSON; it holds their secrets."""
        return self.virtual / "phones.json"

    def ami_secret(self) -> str:
        """This box's random AMI password."""
        return (self.root / "secrets" / "ami").read_text().strip()

    def phones_secret(self) -> bytes:
        """This box's random key, from which the tokens and the admin password of its desk phones come."""
        return (self.root / "secrets" / "phones").read_bytes().strip()

    def prepare(self) -> None:
        """Create the folders and the secrets that are not there yet. RamalError when that cannot be."""
        for mark in str(self.root):
            if not (mark.isprintable() and (mark.isalnum() or mark in PATH_MARKS or not mark.isascii())):
                raise RamalError(
                    f"The home {str(self.root)!r} has the character {mark!r} in its path, which Asterisk cannot take. "
                    "Nothing was started or changed. Choose a folder without it: RAMAL_HOME=/path."
                )
        try:
            if not self.root.exists():
                self.root.mkdir(mode=0o750, parents=True)  # what people said and who called is nobody else's
            for folder in (
                self.db.parent,
                self.recordings,
                self.prompts,
                self.own_prompts,
                self.own_music,
                self.own / "takes",
                self.incoming,
                self.voices,
                self.etc / "custom",
                self.asterisk_data,
                self.asterisk_lib / "keys",
                self.asterisk_log / "cel-custom",
                self.asterisk_spool,
                self.log,
                self.virtual,
                self.ballast.parent,
            ):
                folder.mkdir(parents=True, exist_ok=True)
            self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.run.is_relative_to(self.root) and not _ours_alone(self.run):
                raise RamalError(
                    f"{self.run} belongs to somebody else or is open to others. Nothing was started. "
                    "Remove it, or set RAMAL_HOME to a shorter path."
                )
            vault = self.root / "secrets"
            vault.mkdir(mode=0o750, exist_ok=True)
            import secrets  # here, like other heavy ones below: this module comes before calls, on every start

            for name in ("ami", "web-session", "phones"):
                if not (vault / name).exists():
                    _write_secret(vault / name, secrets.token_urlsafe(32))
        except OSError as error:
            raise RamalError(
                f"The home {self.root} cannot be written ({error.strerror or error}). "
                "Nothing was started. Choose another folder with RAMAL_HOME=/path or repair its permissions."
            ) from error

    def settings(self) -> Settings:
        """settings.toml over the defaults; SettingsRefused with every mistake at once."""
        import tomllib

        try:
            table = tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Settings()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsRefused(f"{self.settings_file} is not valid TOML: {error}") from error
        known = {field.name: field.type for field in fields(Settings)}
        wrong = [f"“{key}” is not a setting" for key in table if key not in known]
        for key, value in table.items():
            if known.get(key) is int and (not isinstance(value, int) or not 1 <= value <= 65535):
                wrong.append(f"{key} must be a whole number from 1 to 65535, not {value!r}")
            if known.get(key) is str and not isinstance(value, str):
                wrong.append(f'{key} must be an address in quotes, like "127.0.0.1", not {value!r}')
        if wrong:
            raise SettingsRefused(f"{self.settings_file} cannot be used: " + "; ".join(wrong) + ".")
        return Settings(**table)

    @property
    def settings_in_force_file(self) -> Path:
        return self.run / "settings.toml"

    def in_force(self) -> Settings:
        """The settings the running box was started with (``--lan`` differs from the file), else those of the file."""
        import tomllib

        try:
            return Settings(**tomllib.loads(self.settings_in_force_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, tomllib.TOMLDecodeError, TypeError):
            return self.settings()

    def put_in_force(self, settings: Settings | None) -> None:
        """Say what the running box uses; None when it ends."""
        if settings is None:
            self.settings_in_force_file.unlink(missing_ok=True)
        else:
            import tomli_w

            write_whole(self.settings_in_force_file, tomli_w.dumps(asdict(settings)), 0o640)

    def save_settings(self, settings: Settings) -> None:
        """Write settings.toml whole, or leave the old one."""
        import tomli_w

        write_whole(self.settings_file, tomli_w.dumps(asdict(settings)), 0o640)

    def keep_one_time_password(self, password: str) -> None:
        """Keep the owner's first password where ``ramal up`` can print it again until it is changed."""
        _write_secret(self.one_time_password, password)

    def forget_one_time_password(self) -> None:
        """The owner has a password of one's own: the first one and the claim are over."""
        for path in (self.one_time_password, self.claim, self.issue):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def open_to_lan(settings: Settings) -> Settings:
    """The same ports, reachable from the local network: SIP, RTP and page on every address; AMI stays on loopback."""
    return replace(settings, sip_bind="0.0.0.0", page_bind="0.0.0.0")


def reached_at(bind: str) -> str:
    """The address at which this machine itself reaches what listens at ``bind``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)


def default_home() -> Home:
    """RAMAL_HOME; on a box, whoever asks, the box's own; else ``.ramal`` in the current folder."""
    here = BOX_HOME if BOX_RELEASE.is_file() else Path(".ramal")
    return Home(Path(os.environ.get("RAMAL_HOME") or here).resolve())


def _ours_alone(folder: Path) -> bool:
    """In a folder that everybody may write to, a name could be another's folder or a link."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _write_secret(path: Path, text: str) -> None:
    write_whole(path, text + "\n", 0o640)


def write_whole(path: Path, text: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace the file ``path`` by ``text``, on the disk with its name when this returns, or leave the old one;
    ``owner``: its user and group, when root writes for another. What somebody laid in the way is not written through.
    OSError of the disk: then it is the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fsync(descriptor)
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # the name, too: ext4 commits it some seconds later otherwise, in a commit all the same
    finally:
        os.close(folder)
