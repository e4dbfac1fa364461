"""Whether the machine's own watchdog is armed: it starts a box anew whose process 1 hangs (systemd/system.conf.d).

On any thread; only looks, with no rights at all.
"""

from ramal.box.image import Image
from ramal.core import warnings
from ramal.core.events import ConditionSeen


def armed(image: Image) -> bool | None:
    """Whether somebody feeds it (process 1, from its first moment on); None where there is none, or none that says."""
    try:
        return image.watchdog.read_text(encoding="ascii").strip() == "active"
    except (OSError, UnicodeDecodeError):
        return None


def seen(image: Image) -> ConditionSeen:
    """For the page: told only where the image's own process 1 should have armed it."""
    return ConditionSeen(warnings.WATCHDOG_OFF, image.is_here and armed(image) is False)
