"""The files that depend on the machine only, not on the office. Pure."""

from collections.abc import Iterable

from ramal.asterisk.machine import Box
from ramal.asterisk.tokens import token
from ramal.core.office import Music

AMI_EVENTS = (
    "FullyBooted",
    "QueueCallerJoin",
    "QueueCallerLeave",
    "QueueCallerAbandon",
    "QueueMemberAdded",
    "QueueMemberRemoved",
    "QueueMemberPause",
    "QueueMemberPenalty",
    "QueueMemberStatus",
    "AgentCalled",
    "AgentConnect",
    "AgentComplete",
    "AgentRingNoAnswer",
    "PeerStatus",
    "UserEvent",
    "Unhold",
)
"""What the daemon listens to. Everything else is dropped inside Asterisk: 93 events of a call become about 20."""

_UNHEARD = """
Newchannel Newstate Newexten NewCallerid NewConnectedLine Hangup HangupRequest SoftHangupRequest DialBegin DialState
DialEnd BridgeCreate BridgeDestroy BridgeEnter BridgeLeave MusicOnHoldStart MusicOnHoldStop MixMonitorStart
MixMonitorStop HangupHandlerPush HangupHandlerRun HangupHandlerPop DeviceStateChange ExtensionStatus
"""
"""Events the daemon does not read: else each is written down and wakes its session, to be dropped there."""

_MODULES = """
res_pjproject res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd
res_speech
bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_native_rtp bridge_simple bridge_softmix
codec_a_mu codec_alaw codec_ulaw codec_g722 codec_gsm codec_resample
format_pcm format_wav format_sln format_gsm
res_musiconhold res_rtp_asterisk res_format_attr_opus
res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_caller_id res_pjsip_nat res_pjsip_registrar
res_pjsip_outbound_registration res_pjsip_outbound_authenticator_digest res_pjsip_authenticator_digest
res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_dtmf_info res_pjsip_rfc3326
res_pjsip_pubsub res_pjsip_exten_state res_pjsip_dialog_info_body_generator res_pjsip_pidf_body_generator
res_pjsip_mwi res_pjsip_mwi_body_generator res_pjsip_refer res_pjsip_diversion res_pjsip_header_funcs
res_pjsip_path res_pjsip_acl res_pjsip_logger res_pjsip_empty_info res_security_log chan_pjsip
pbx_config cel_custom res_manager_devicestate res_pjsip_outbound_publish app_chanspy
func_callerid func_channel func_db func_strings func_logic func_math func_global func_uri func_timeout func_cut
func_sha1 func_groupcount func_devstate func_hangupcause func_dialplan func_pjsip_contact func_pjsip_aor
func_pjsip_endpoint func_periodic_hook func_env func_sprintf func_rand
app_queue app_dial app_playback app_read app_record app_mixmonitor app_stack app_db app_exec app_verbose app_echo
app_celgenuserevent app_userevent res_parking app_directed_pickup app_transfer app_playtones app_senddtmf app_originate
res_clioriginate app_softhangup func_lock
app_system app_minivm
"""


def asterisk_conf(box: Box) -> str:
    """``cache_record_files`` stays off: a recording must be on the disk while people talk, not only afterwards."""
    return f"""[directories]
astetcdir => {box.etc}
astmoddir => {box.modules}
astvarlibdir => {box.lib}
astdbdir => {box.lib}
astkeydir => {box.lib}
astdatadir => {box.data}
astagidir => {box.data}/agi-bin
astspooldir => {box.spool}
astrundir => {box.run}
astlogdir => {box.log}

[options]
systemname =
maxfiles = 4096
hideconnect = yes
documentation_language = en_US
live_dangerously = no
transmit_silence = yes
languageprefix = yes
"""


def modules_conf(box: Box) -> str:
    """An explicit list: starts in a second, needs a third of the memory, and nothing unknown listens anywhere.

    Without ``res_pjsip_messaging``: it sends a text message (SIP MESSAGE) through the dialplan like a call, so that one
    text to a number rings agents for nobody.
    """
    lines = ["[modules]", "autoload = no"]
    names = _MODULES.split()
    if box.version >= (22, 8):
        names.insert(0, "res_cdrel_custom")  # cel_custom became a thin face of it
    lines += [f"load = {name}.so" for name in names]
    return "\n".join(lines) + "\n"


def logger_conf(box: Box) -> str:
    """``queue_log`` to its file only; rotation by number, so that the tailer finds old files among ``queue_log.*``.
    Who failed to sign in goes to a file in memory, which the image's guard reads (box.firewall)."""
    return f"""[general]
dateformat = %F %T.%3q
use_callids = yes
appendhostname = no
queue_log = yes
queue_log_to_file = yes
queue_adaptive_realtime = no
rotatestrategy = sequential
exec_after_rotate =
logger_queue_limit = 2000

[logfiles]
messages.log => notice,warning,error
{box.run}/security.log => security
"""


def manager_conf(box: Box) -> str:
    """Loopback only, a random secret, no ``command``, ``config`` or ``all``; events filtered inside Asterisk."""
    if box.version >= (22, 1):  # the advanced syntax compares names; the older one runs a regex over each event's text
        filters = "\n".join(f"eventfilter(action(include),name({name})) =" for name in AMI_EVENTS)
    else:
        filters = "\n".join(f"eventfilter = Event: {name}" for name in AMI_EVENTS)
    return f"""[general]
enabled = yes
webenabled = no
bindaddr = 127.0.0.1
port = {box.ami_port}
timestampevents = yes
displayconnects = no
allowmultiplelogin = yes
authtimeout = 10
authlimit = 20
disabledevents = {",".join(_UNHEARD.split())}

[ramal]
secret = {box.ami_secret}
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
read = system,call,agent,user
write = system,call,agent,originate,reporting
writetimeout = 10000
{filters}
"""


def rtp_conf(box: Box) -> str:
    return f"""[general]
rtpstart = {box.rtp_first}
rtpend = {box.rtp_last}
strictrtp = yes
icesupport = no
"""


def cel_conf() -> str:
    """The journal's events. ``dateformat`` stays unset: times are then ``seconds.microseconds`` since 1970, UTC."""
    return """[general]
enable = yes
apps =
events = CHAN_START,ANSWER,HANGUP,BRIDGE_ENTER,BRIDGE_EXIT,USER_DEFINED,LINKEDID_END
events = BLINDTRANSFER,ATTENDEDTRANSFER,PICKUP,PARK_START,PARK_END
"""


def cel_custom_conf() -> str:
    """One line per event; whatever a stranger can write is percent-encoded, so a record can never be two lines."""
    fields = (
        "${eventtime}",
        "${eventtype}",
        "${CHANNEL(linkedid)}",
        "${CHANNEL(uniqueid)}",
        "${URIENCODE(${CHANNEL(channame)})}",
        "${URIENCODE(${CALLERID(num)})}",
        "${URIENCODE(${CALLERID(name)})}",
        "${URIENCODE(${CHANNEL(exten)})}",
        "${CHANNEL(context)}",
        "${userdeftype}",
        "${URIENCODE(${eventextra})}",
        "${URIENCODE(${BRIDGEPEER})}",
    )
    return f"[mappings]\nramal.csv => {','.join(fields)}\n"


def minivm_conf() -> str:
    """app_minivm is there for MinivmMWI alone, which lights the message lamps of phones: no account, no mail."""
    return "[general]\n"


def cdr_conf() -> str:
    """CDRs are off: the history comes from CEL and queue_log, and two truths are one too many."""
    return "[general]\nenable = no\n"


def musiconhold_conf(box: Box, classes: Iterable[Music]) -> str:
    """The box's own music, and the office's classes: a class without a file is none to Asterisk, which then plays the
    default."""
    parts = [
        f"""[general]
cachertclasses = no

[default]
mode = files
directory = {box.music}
sort = random
"""
    ]
    for one in classes:
        sort = "alpha" if one.order == "in-order" else "random"
        name = token(one.name)
        parts.append(f"[{name}]\nmode = files\ndirectory = {box.own}/music/{name}\nsort = {sort}\n")
    return "\n".join(parts)


def indications_conf() -> str:
    return """[general]
country = br

[br]
description = Brazil
ringcadence = 1000,4000
dial = 425
busy = 425/250,0/250
ring = 425/1000,0/4000
congestion = 425/250,0/250,425/750,0/250
callwaiting = 425/50,0/1000
dialrecall = 350+440
record = 425/250,0/250
info = 950/330,1400/330,1800/330
stutter = 350+440
"""


def cli_conf(extensions: Iterable[str]) -> str:
    """What Asterisk does by itself when it has started, also while the daemon is dead: it asks the phones whether they
    are there (until then it rings nobody), and heals whatever had to end by itself."""
    commands = [*(f"pjsip qualify {token(extension)}" for extension in extensions), _HEAL]
    return "\n".join(["[startup_commands]", *(f"{command} = yes" for command in commands)]) + "\n"


_HEAL = "channel originate Local/heal@ramal-tick/n application NoOp"


def pjproject_conf() -> str:
    return "[startup]\ntype = startup\nlog_mappings =\n"


_DECLINED = ("ast_channel_varset_type", "ast_rtp_rtcp_sent_type", "ast_rtp_rtcp_received_type")
"""Read by the manager alone, whose user hears neither class. Whatever else only it reads must stay: without the types
of music, recording, hang-up or digits the manager does not start (22.10), and Asterisk with it."""


def stasis_conf() -> str:
    """Message types nobody reads are not even built: the cheapest event is the one that never was."""
    declined = "".join(f"decline = {name}\n" for name in _DECLINED)
    pool = "[threadpool]\ninitial_size = 2\nidle_timeout_sec = 20\nmax_size = 20\n"
    return f"{pool}\n[declined_message_types]\n{declined}"
