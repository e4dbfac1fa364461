"""From an office to Asterisk's files.

Pure: ``render(office, box) -> {file: text}``, the same for the same input, byte for byte (golden files in tests).
The dialplan is a thin static part, written by hand (``dialplan/*.conf``, copied into every generation so that a
generation is whole), and generated contexts that only say *what* goes *where* and call the static part.
"""

from collections.abc import Mapping
from importlib import resources

from ramal.asterisk import (
    render_base,
    render_desks,
    render_dialplan,
    render_pjsip,
    render_queues,
    render_record,
    render_spoken,
)
from ramal.asterisk.machine import Box
from ramal.asterisk.prompts import spoken
from ramal.core.office import Office

__all__ = ["Box", "render"]


def render(office: Office, box: Box) -> Mapping[str, str]:
    """Every file of one generation: name (relative to the generation's folder) to text."""
    files = {
        "asterisk.conf": render_base.asterisk_conf(box),
        "modules.conf": render_base.modules_conf(box),
        "logger.conf": render_base.logger_conf(box),
        "manager.conf": render_base.manager_conf(box),
        "rtp.conf": render_base.rtp_conf(box),
        "cel.conf": render_base.cel_conf(),
        "cel_custom.conf": render_base.cel_custom_conf(),
        "cdr.conf": render_base.cdr_conf(),
        "minivm.conf": render_base.minivm_conf(),
        "features.conf": render_record.features_conf(office),
        "res_parking.conf": render_desks.parking_conf(office),
        "musiconhold.conf": render_base.musiconhold_conf(box, office.music),
        "indications.conf": render_base.indications_conf(),
        "pjproject.conf": render_base.pjproject_conf(),
        "stasis.conf": render_base.stasis_conf(),
        "udptl.conf": "[general]\n",
        "acl.conf": "",
        "cli.conf": render_base.cli_conf(phone.extension for phone in office.phones),
        "ccss.conf": "[general]\n",
        "queuerules.conf": "",
        "say.conf": render_spoken.say_conf(),
        "pjsip.conf": render_pjsip.pjsip_conf(office, box),
        "queues.conf": render_queues.queues_conf(office, box),
        "dialplan/spoken.conf": render_spoken.spoken_contexts(spoken(office)),
        "extensions.conf": render_dialplan.extensions_conf(office, box),
    }
    for entry in sorted(resources.files("ramal.asterisk").joinpath("dialplan").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith((".conf", ".pl")):
            files[f"dialplan/{entry.name}"] = entry.read_text(encoding="utf-8")
    return files
