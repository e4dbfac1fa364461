"""``make image-test``: the proofs in order, each on its own board; a table of figures at the end."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError, tools
from ramal_image.build import Built, Wanted
from ramal_image.proof import backup, boot, call, full, life, plug, power, reset, safe, tryboot, uefi, update, writes
from ramal_image.proof.bench import Bench, bench

PROOFS: Mapping[str, Callable[[Bench], None]] = {
    "boot": boot.prove,
    "call": call.prove,
    "power": power.prove,
    "plug": plug.prove,
    "backup": backup.prove,
    "full": full.prove,
    "reset": reset.prove,
    "safe": safe.prove,
    "life": life.prove,
    "tryboot": tryboot.prove,
    "update": update.prove,
    "loader": uefi.prove_loader,
    "uefi": uefi.prove,
    "writes": writes.prove,
}
ONLY = {"loader": "amd64", "uefi": "amd64", "tryboot": "arm64"}
"""Proofs that are one architecture's."""
QEMU = {"amd64": {"qemu-system-x86_64": "qemu-system-x86"}, "arm64": {"qemu-system-aarch64": "qemu-system-arm"}}


def run(want: Wanted, out: Path, finished: Path, only: Sequence[str]) -> int:
    """0 when all hold. ``finished``: the folder with the build."""
    unknown = sorted(set(only) - set(PROOFS))
    if unknown:
        raise ImageError(f"There is no proof {tools.capped(unknown)}; there are {', '.join(PROOFS)}.")
    tools.require(QEMU[want.arch])
    built = of_folder(want, finished)
    failed: list[str] = []
    figures: dict[str, dict[str, float]] = {}
    for name in only or [name for name in PROOFS if ONLY.get(name, want.arch) == want.arch]:
        say(f"proof: {name}")
        began = time.monotonic()
        stand = bench(want, built, out / "proof" / name)
        try:
            PROOFS[name](stand)
            say(f"proof {name} holds ({time.monotonic() - began:.0f} s)")
            stand.card.unlink()
        except ImageError as error:
            failed.append(name)
            say(f"proof {name} FAILED ({time.monotonic() - began:.0f} s): {error}\n  all it said: {stand.log}")
        figures[name] = stand.figures
    (out / "proof" / "figures.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    say(
        f"{len(figures) - len(failed)} of {len(figures)} proofs hold"
        + (f"; not: {', '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


def of_folder(want: Wanted, folder: Path) -> Built:
    """A finished build of the same release."""
    ends = ("img", "boot.vfat", "squashfs", "bootsel.vfat", "spdx.json", "manifest.json")
    files = [folder / f"{want.name}.{end}" for end in ends]
    lacking = [path.name for path in files if not path.exists()]
    if lacking:
        raise ImageError(f"{folder} lacks {tools.capped(lacking)}. Build it with `make image` first.")
    image, boot_part, root, selector, papers, manifest = files
    return Built(image, boot_part, root, selector, papers, manifest, None)
