"""What keeping recordings costs: minutes of sound per CPU second, storage per hour of talk, the cipher's share.

    python -m tests.bench.bench_vault [--minutes N]

Talk is spoken by espeak-ng (two voices that take turns, as in a call). CPU is user and system time of this process and
everything it started, so the encoders count. Each figure stands beside the plainest way to do the same: ``opusenc``
alone on the same wav, and copying with a checksum (cp, sha256sum).
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ramal.core import sound
from ramal.provide import peers
from ramal.vault import opus
from ramal.vault.cipher import FILE_ID_BYTES, Sealer, Unsealer
from ramal.vault.keys import key_of
from tests.vault.shelf import Shelf, stereo_wav
from tests.vault.test_keep import keeper

TEXT = (
    "Bom dia, aqui é a central de atendimento da Padaria Sol. Em que posso ajudar a senhora hoje? "
    "O seu pedido número quarenta e dois foi enviado na terça feira e chega amanhã antes do meio dia. "
    "Se preferir, pode retirar na loja da rua das Flores, número cento e vinte, até as dezenove horas. "
)


def cpu_s(job: Callable[[], Any]) -> float:
    """CPU seconds of this process and its children while the job runs."""

    def now() -> float:
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds))

    began = now()
    job()
    return now() - began


def talk(folder: Path, minutes: int) -> tuple["array[int]", "array[int]"]:
    """Two voices that take turns of a few seconds."""
    voices = []
    for voice in ("pt-br", "pt-br+f3"):
        text, raw, wav = folder / "t", folder / "r.wav", folder / "w.wav"
        text.write_text(TEXT * 4)
        subprocess.run(peers().argv("espeak-ng", "-v", voice, "-f", str(text), "-w", str(raw)), check=True)
        shape = ("-V1", str(raw), "-r", "8000", "-c", "1", "-b", "16", str(wav), "norm", "-6")
        subprocess.run(peers().argv("sox", *shape), check=True)
        voices.append(sound.looped(sound.read_wave(wav.read_bytes()).mono, minutes * 60_000)[: minutes * 480_000])
    left, right = voices
    turn = 40_000
    for at in range(0, len(left), 2 * turn):
        left[at : at + turn] = array("h", bytes(2 * len(left[at : at + turn])))
        right[at + turn : at + 2 * turn] = array("h", bytes(2 * len(right[at + turn : at + 2 * turn])))
    return left, right


def plain_opusenc(wav: Path, out: Path, channels: int) -> None:
    """What one would type."""
    kbits = opus.MONO_KBITS if channels == 1 else opus.STEREO_KBITS
    command = ["opusenc", "--quiet", "--speech", "--bitrate", str(kbits), str(wav), str(out)]
    subprocess.run(peers().argv(*command), check=True, capture_output=True)


def same_opusenc(wav: Path, out: Path, channels: int) -> None:
    """With the settings Ramal uses."""
    kbits = opus.MONO_KBITS if channels == 1 else opus.STEREO_KBITS
    more = ["--comp", str(opus.COMPLEXITY), "--set-ctl-int", "4004=1101"]
    command = ["opusenc", "--quiet", "--speech", "--bitrate", str(kbits), *more, str(wav), str(out)]
    subprocess.run(peers().argv(*command), check=True, capture_output=True)


def convert(folder: Path, name: str, data: bytes, channels: int, minutes: int) -> None:
    """Print one line: Ramal's whole way against opusenc alone."""
    shelf = Shelf.at(folder / f"home-{name}")
    recording = shelf.put(data)
    wav, out = folder / f"{name}.wav", folder / f"{name}.ogg"
    wav.write_bytes(data)
    one = keeper(shelf)
    ours = cpu_s(lambda: one.round())
    size = shelf.path(recording).stat().st_size
    shelf.close()
    plain = cpu_s(lambda: plain_opusenc(wav, out, channels))
    same = cpu_s(lambda: same_opusenc(wav, out, channels))
    hour = 60 / minutes
    print(
        f"{name:<7} {minutes / ours:6.2f} min of sound a CPU s (encoded, verified, encrypted, sealed);"
        f" opusenc alone {minutes / plain:.2f}, with the same settings {minutes / same:.2f};"
        f" ratio {ours / plain:.2f} and {ours / same:.2f}\n"
        f"        {size * hour / 1e6:.2f} MB an hour of talk (wav {len(data) * hour / 1e6:.1f} MB,"
        f" opusenc's own {out.stat().st_size * hour / 1e6:.2f} MB)",
        flush=True,
    )


def cipher(folder: Path, name: str, megabytes_an_hour: float) -> None:
    """Print what encrypting and decrypting an hour of sound costs, against copying it with a checksum."""
    hours = 20
    source, target = folder / "plain", folder / "sealed"
    block = os.urandom(1 << 20)
    with source.open("wb") as file:
        for _ in range(int(megabytes_an_hour * hours)):
            file.write(block)
    key = key_of(bytes(range(32)), 0)

    def encrypt() -> None:
        with source.open("rb") as plain, target.open("wb") as out:
            sealer = Sealer(out, key, bytes(FILE_ID_BYTES))
            while piece := plain.read(opus.BLOCK):
                sealer.write(piece)
            sealer.seal()
            os.fsync(out.fileno())

    def decrypt() -> None:
        with Unsealer(target.open("rb", buffering=0), target.stat().st_size, {key.id: key}.get) as file:
            while file.read(1 << 20):
                pass

    def copy() -> None:
        subprocess.run(["cp", str(source), str(folder / "copy")], check=True)
        subprocess.run(["sha256sum", str(folder / "copy")], check=True, capture_output=True)

    def checksum() -> None:
        with source.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    sealing, opening, copying, summing = (cpu_s(job) / hours * 1000 for job in (encrypt, decrypt, copy, checksum))
    print(
        f"cipher  {name}: {sealing:.1f} CPU ms an hour of sound to encrypt, {opening:.1f} to decrypt;"
        f" cp + sha256sum {copying:.1f} (ratio {sealing / copying:.2f}), sha256 alone {summing:.1f}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    minutes = parser.parse_args().minutes
    folder = Path(tempfile.mkdtemp(prefix="ramal-bench-"))
    try:
        left, right = talk(folder, minutes)
        mono = sound.mixed(left, right)
        convert(folder, "mono", sound.wav_bytes(mono), 1, minutes)
        convert(folder, "stereo", stereo_wav(left, right), 2, minutes)
        cipher(folder, "mono", 9.0)
        cipher(folder, "stereo", 14.0)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
