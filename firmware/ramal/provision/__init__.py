"""What desk phones fetch to set themselves up: settings of one phone → {file name: text}.

Pure. ``files(handset)`` is the whole of it; a module for each brand holds its format and says where its names of
parameters come from. README.md tells what is not proven on hardware, and how a phone finds the box.
"""

from collections.abc import Callable, Mapping

from ramal.core.office import PhoneModel
from ramal.provision import fanvil, grandstream, snom, yealink
from ramal.provision.handset import Handset

Files = Callable[[Handset], dict[str, str]]

MODELS: Mapping[PhoneModel, Files] = {
    "yealink": yealink.files,
    "grandstream-grp": grandstream.grp,
    "grandstream-gxp": grandstream.gxp,
    "fanvil": fanvil.files,
    "snom": snom.files,
}
XML_MODELS = frozenset(MODELS) - {"yealink"}


def files(handset: Handset) -> dict[str, str]:
    """Every file the phone may ask for, by its name in small letters. KeyError for a model that is not in MODELS."""
    return MODELS[handset.model](handset)
