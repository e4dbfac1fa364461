"""The image: one file that an installer flashes, and what proves it in QEMU.

Law: the same inputs give the same bytes; every input is locked by hash (``image/packages-<arch>.lock``,
``firmware/requirements.lock``) and nothing that is downloaded runs as part of the build outside the image's own root.
No mirror's or registry's name is written anywhere. Needs root (mmdebstrap), a Debian machine, no loop device, no mount.

Runs on the main thread of ``python -m ramal_image``; ``layout``, ``autoboot``, ``initrd.order``, ``debs`` parsing and
``sbom`` are pure and are what tests/image looks at.
"""

from ramal.errors import RamalError

__all__ = ["ImageError"]


class ImageError(RamalError):
    """The image could not be built, or did not do what it must."""
