"""The office around the box, on the proof's own network: a SIP phone (baresip), a carrier's caller (sipp), a browser.

The programs are the ones ``make peers`` provides. Blocking; for the main thread.
"""

import contextlib
import http.cookiejar
import math
import re
import struct
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ramal.provide import peers
from ramal.virtual import setup
from ramal_image import ImageError
from ramal_image.proof import reach
from ramal_image.qemu import wire

VOICE_S, VOICE_HZ = 240, 440.0
LINE = f"""\
[[line]]
name = "carrier"
kind = "sip-peer"
addresses = ["{wire.OURS}"]
channels = 10
"""
OFFICE = f"""\
[office]
name = "Proof"
country = "BR"
region = "SP"
timezone = "America/Sao_Paulo"
language = "en"

{LINE}
[[number]]
number = "+551133330001"
to = "queue:sales"

[[phone]]
extension = "201"
name = "Desk"
secret = "proof-of-the-image-201"

[[agent]]
code = "7"
name = "Ana"
phone = "201"
pin = "4821"
queues = ["sales"]

[[queue]]
name = "sales"
title = "Sales"
ring_s = 20
retry_s = 1
wrap_up_s = 0
max_wait_s = 120
overflow = "hangup"
record = "always"
"""
NUMBER = "+551133330001"


def _home(folder: Path, sip_port: int, control_port: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        one_s = [round(9000 * math.sin(2 * math.pi * VOICE_HZ * at / 8000)) for at in range(8000)]
        file.writeframes(struct.pack("<8000h", *one_s) * VOICE_S)
    text = setup.config(
        sip_port=sip_port,
        control_port=control_port,
        loop_source="aufile,voice.wav",
        rtp_ports=(20000, 20998),
        max_calls=1,
    )
    text = text.replace(f"sip_listen 127.0.0.1:{sip_port}", f"sip_listen {wire.OURS}:{sip_port}")
    text = text.replace("net_interface 127.0.0.1", f"net_interface {wire.OURS}").replace(
        f"aufile,{setup.EAR}", "aubridge,ear0"
    )
    (folder / "config").write_text(text)
    (folder / "contacts").write_text("")
    account = setup.Account("201", "proof-of-the-image-201", host=wire.BOX)
    (folder / "accounts").write_text(setup.account_line(account) + ";answermode=auto\n")
    return folder


@contextlib.contextmanager
def phone(folder: Path, *dial: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Extension 201, which answers by itself; with ``dial`` it calls that first. Its log is ``folder``/phone.log."""
    _home(folder, 5070, 4470)
    words = ["-f", str(folder), *[word for number in dial for word in ("-e", f"/dial sip:{number}@{wire.BOX}")]]
    command = peers().argv("baresip", *words, binds=[folder], die_with_parent=True)
    with (folder / "phone.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def call(folder: Path, stay_ms: int, patience_s: float = 150.0) -> None:
    """A carrier's call to NUMBER from outside, whose caller says back what is heard. ImageError when it fails."""
    with calling(folder, stay_ms, patience_s) as caller:
        ended = caller.wait(stay_ms / 1000 + patience_s + 30)
    if ended != 0:
        errors = "\n".join(path.read_text(errors="replace")[-600:] for path in folder.glob("*errors.log"))
        raise ImageError(f"The caller's call did not go as a call goes (sipp: {ended}). {errors}")


@contextlib.contextmanager
def calling(folder: Path, stay_ms: int, patience_s: float = 150.0) -> Iterator["subprocess.Popen[bytes]"]:
    """The same call, going on in this block: the process ends with it, in order (0) or at the block's end."""
    timeout_s = stay_ms / 1000 + patience_s
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"{wire.BOX}:5060", "-sn", "uac", "-s", NUMBER, "-i", wire.OURS, "-mi", wire.OURS, "-p", "5090", "-m", "1"]
    words += [
        "-d",
        str(stay_ms),
        "-rtp_echo",
        "-mp",
        "21000",
        "-nostdin",
        "-trace_err",
        "-timeout",
        f"{timeout_s:.0f}s",
    ]
    command = peers().argv("sipp", *words, binds=[folder], die_with_parent=True)
    with (folder / "sipp.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Nowhere: the answer is handed on as it came."""


@dataclass(slots=True)
class Browser:
    """One person's browser at the box's page; forms are sent with the page's own token."""

    host: str = wire.BOX
    _opener: urllib.request.OpenerDirector = field(init=False)
    _staying: urllib.request.OpenerDirector = field(init=False)
    """The same browser, which goes nowhere that it is sent to."""

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self._staying = urllib.request.build_opener(cookies, _Stay)

    def get(self, path: str) -> reach.Answer:
        return self._open(urllib.request.Request(f"http://{self.host}{path}"))

    def send(self, path: str, form_at: str | None = None, **fields: str) -> reach.Answer:
        """Fill in the form that ``form_at`` (else ``path``) shows, and send it to ``path``."""
        return self._open(self._filled(path, form_at, fields))

    def sent(self, path: str, **fields: str) -> reach.Answer:
        """The same, and the very answer to it, without going on to the page that it names."""
        return self._open(self._filled(path, None, fields), self._staying)

    def _filled(self, path: str, form_at: str | None, fields: Mapping[str, str]) -> urllib.request.Request:
        shown = self.get(form_at or path)
        token = re.search(r'name="csrf"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*name="csrf"', shown.body)
        given = {**fields, "csrf": token[1] or token[2]} if token else fields
        data = urllib.parse.urlencode(given).encode()
        return urllib.request.Request(f"http://{self.host}{path}", data=data, headers={"Origin": f"http://{self.host}"})

    def send_piece(self, path: str, form_at: str, piece: bytes, **fields: str) -> reach.Answer:
        """One piece of a file, as the page's script (pieces.js) sends it from the form that ``form_at`` shows."""
        token = re.search(r'name="csrf"[^>]*value="([^"]+)"', self.get(form_at).body)
        given = fields | ({"csrf": token[1]} if token else {})
        mark = "ramal-proof-piece"
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in given.items()
        ]
        head = f'--{mark}\r\nContent-Disposition: form-data; name="piece"; filename="piece"\r\n\r\n'
        data = "".join([*parts, head]).encode() + piece + f"\r\n--{mark}--\r\n".encode()
        headers = {"Origin": f"http://{self.host}", "Content-Type": f"multipart/form-data; boundary={mark}"}
        return self._open(urllib.request.Request(f"http://{self.host}{path}", data=data, headers=headers))

    def _open(
        self, request: urllib.request.Request, opener: urllib.request.OpenerDirector | None = None
    ) -> reach.Answer:
        try:
            with (opener or self._opener).open(request, timeout=60) as got:
                return reach.Answer(got.status, got.read(5_000_000).decode("latin-1"), tuple(got.headers.items()))
        except urllib.error.HTTPError as error:
            return reach.Answer(error.code, error.read(100_000).decode("latin-1"), tuple(error.headers.items()))
        except OSError:
            return reach.Answer(0)
