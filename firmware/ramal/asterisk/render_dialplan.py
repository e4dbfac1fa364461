"""extensions.conf: generated contexts that say what goes where. Pure.

Every destination is ``dest-<kind>,<name>,1``; menus are ``menu-<name>``; hours answer by ``Gosub(hours,<name>,1)`` with
``open`` or ``closed``. No string of a person reaches this file: names are whitelisted, texts became prompt files.
"""

from importlib import resources

from ramal.asterisk.machine import Box
from ramal.asterisk.prompts import FOLDER
from ramal.asterisk.render_agents import agents
from ramal.asterisk.render_alarms import alarms
from ramal.asterisk.render_arrival import caller_globals, callers, line
from ramal.asterisk.render_callback import callbacks
from ramal.asterisk.render_campaigns import campaigns
from ramal.asterisk.render_desks import phones
from ramal.asterisk.render_hours import hours
from ramal.asterisk.render_menus import menu, menus
from ramal.asterisk.render_messages import messages
from ramal.asterisk.render_outside import outside
from ramal.asterisk.render_prompts import prompts
from ramal.asterisk.render_record import form, records
from ramal.asterisk.render_routes import languages, numbers
from ramal.asterisk.render_stays import queues
from ramal.asterisk.render_supervise import supervisors
from ramal.asterisk.render_survey import surveys
from ramal.core.office import Office


def dialplan_files() -> tuple[str, ...]:
    """The names of the hand-written parts, ``dialplan/*.conf``."""
    folder = resources.files("ramal.asterisk").joinpath("dialplan")
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".conf")))


def extensions_conf(office: Office, box: Box) -> str:
    """The whole file. ``clearglobalvars`` lets a changed path take effect with a reload."""
    names = [*dialplan_files(), "spoken.conf"]
    includes = "\n".join(f'#include "dialplan/{name}"' for name in names)
    parts = [
        f"""[general]
static = yes
writeprotect = yes
autofallthrough = yes
clearglobalvars = yes

[globals]
RAMAL_RECORDINGS = {box.recordings}
RAMAL_PROMPTS = {box.prompts}
RAMAL_OWN = {box.own}
RAMAL_RECORD_FORM = {form(office)}
RAMAL_ETC = {box.etc}
RAMAL_ZONE = {office.timezone}
RAMAL_LANGUAGE = {FOLDER[office.language]}
{caller_globals(office)}

{includes}
""",
        *(line(way, office) for way in office.lines if way.kind in ("sip-peer", "sip-register")),
        callers(office),
        numbers(office),
        languages(office),
        queues(office),
        *(menu(each, office) for each in office.menus),
        menus(office.menus),
        phones(office),
        outside(office),
        campaigns(office),
        records(office),
        messages(office),
        callbacks(office),
        hours(office),
        agents(office),
        supervisors(office.agents),
        prompts(office),
        *([surveys(office)] if office.surveys else []),
        *([alarms(office)] if office.alarms else []),
        f"#tryinclude {box.custom}/extensions.conf\n",
    ]
    return "\n".join(parts)
