"""The tables and settings of an office file, as data: reading, writing and comparing all go by this list.

Pure. The order here is the order in which ``write`` puts them.
"""

from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args

from ramal.core import office_parts as part
from ramal.core import office_takes as take
from ramal.core.office import (
    Agent,
    Alarm,
    Backup,
    Callback,
    Campaign,
    Copy,
    CopyKind,
    DialOut,
    DtmfMode,
    Holiday,
    Hours,
    Line,
    LineKind,
    Mail,
    MailSecurity,
    Measure,
    Menu,
    Music,
    MusicOrder,
    Number,
    Office,
    PauseReason,
    Phone,
    PhoneModel,
    Queue,
    Recordings,
    Strategy,
    Survey,
    SurveyAsks,
    Transport,
    Voicemail,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a table: how it is judged, and a right example of it."""

    key: str
    take: take.Take
    example: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of thing: ``[[key]]`` in the file, a tuple ``attr`` of the Office, told apart by ``identity``."""

    key: str
    attr: str
    made_of: type[Any]
    identity: str
    a_thing: str
    high: int
    settings: tuple[Setting, ...]

    def setting(self, key: str) -> Setting:
        return next(setting for setting in self.settings if setting.key == key)


def defaults(made_of: type[Any]) -> dict[str, Any]:
    """The fields of a value class that have a default."""
    return {field.name: field.default for field in fields(made_of) if field.default is not MISSING}


OFFICE = Table(
    "office",
    "",
    Office,
    "name",
    "the office",
    1,
    (
        Setting("name", take.text(60, low=1), 'name = "Padaria Sol"', required=True),
        Setting("country", take.country, 'country = "BR"'),
        Setting("region", take.region, 'region = "SP"'),
        Setting("city", take.text(60), 'city = "São Paulo"'),
        Setting("timezone", take.timezone, 'timezone = "America/Sao_Paulo"'),
        Setting("language", part.language, 'language = "pt-BR"'),
        Setting("languages", take.every(part.language, 10), 'languages = ["en", "es"]'),
        Setting("dial_out", take.choice(*get_args(DialOut)), 'dial_out = "national"'),
        Setting("parking", take.no_extension, 'parking = "700"'),
        Setting("parking_slots", take.integer(1, 99), "parking_slots = 9"),
        Setting("parking_s", take.integer(5, 3600), "parking_s = 120"),
        Setting("misses", take.integer(0, 50), "misses = 3"),
        Setting("misses_min", take.integer(1, 1440), "misses_min = 10"),
        Setting("miss_pause_min", take.integer(0, 1440), "miss_pause_min = 5"),
        Setting("reject_s", take.integer(0, 3600), "reject_s = 30"),
        Setting("wrap_extend_s", take.integer(1, 3600), "wrap_extend_s = 60"),
        Setting("blocked_message", take.boolean, "blocked_message = false"),
        Setting("vip_priority", take.integer(0, 5), "vip_priority = 3"),
        Setting("repeat_priority", take.integer(0, 5), "repeat_priority = 1"),
        Setting("agents_see_surveys", take.boolean, "agents_see_surveys = true"),
        Setting("safe_phone", take.phone, 'safe_phone = "201"'),
    ),
)

LINE = Table(
    "line",
    "lines",
    Line,
    "name",
    "the line",
    50,
    (
        Setting("name", take.name, 'name = "provider"', required=True),
        Setting("kind", take.choice(*get_args(LineKind)), 'kind = "sip-register"', required=True),
        Setting("host", take.host, 'host = "sip.example.com"'),
        Setting("port", take.integer(1, 65535), "port = 5060"),
        Setting("transport", take.choice(*get_args(Transport)), 'transport = "udp"'),
        Setting("username", take.username, 'username = "1133330000"'),
        Setting("secret", take.provider_secret, 'secret = "the password of your provider"'),
        Setting("addresses", take.every(take.address, 50), 'addresses = ["203.0.113.7", "203.0.113.64/28"]'),
        Setting("channels", take.integer(1, 250), "channels = 10"),
        Setting("caller_ids", take.every(take.number, 100), 'caller_ids = ["+551133330000"]'),
        Setting("dtmf", take.choice(*get_args(DtmfMode)), 'dtmf = "auto"'),
        Setting("outgoing", take.boolean, "outgoing = false"),
        Setting("rest_s", take.integer(0, 3600), "rest_s = 60"),
        Setting("record", part.maybe_record, 'record = "always"'),
        Setting("record_sides", take.choice("", "mono", "stereo"), 'record_sides = "stereo"'),
    ),
)

HOLIDAY = Table(
    "holiday",
    "holidays",
    Holiday,
    "date",
    "the holiday",
    1000,
    (
        Setting("date", part.day, 'date = "2026-02-18"  # or "02-18" for every year', required=True),
        Setting("name", take.text(60), 'name = "Aniversário da cidade"'),
    ),
)

HOURS = Table(
    "hours",
    "hours",
    Hours,
    "name",
    "the hours",
    100,
    (
        Setting("name", take.name, 'name = "shop"', required=True),
        Setting("open", part.spans, 'open = ["mon-fri 08:00-18:00", "sat 08:00-13:00"]'),
        Setting("closed", take.boolean, "closed = true"),
        Setting("holidays", take.choice("open", "closed"), 'holidays = "closed"'),
        Setting("dates", part.dates, 'dates = { "2026-12-24" = "08:00-12:00", "2026-12-31" = "closed" }'),
    ),
)

NUMBER = Table(
    "number",
    "numbers",
    Number,
    "number",
    "the number",
    500,
    (
        Setting("number", take.number, 'number = "+551133330000"', required=True),
        Setting("label", take.text(60), 'label = "Main number"'),
        Setting("to", take.place, 'to = "queue:sales"', required=True),
        Setting("hours", take.reference, 'hours = "shop"'),
        Setting("closed", take.place, 'closed = "voicemail:sales"'),
        Setting("greeting", take.text(1000), 'greeting = "Bem-vindo à Padaria Sol."'),
        Setting("greeting_in", part.sayings, 'greeting_in = { en = "Welcome to Padaria Sol." }'),
        Setting("language", part.tongue, 'language = "en"'),
        Setting("need", part.need, 'need = "english"'),
        Setting("priority", take.integer(0, 5), "priority = 1"),
    ),
)

PHONE = Table(
    "phone",
    "phones",
    Phone,
    "extension",
    "the phone",
    1000,
    (
        Setting("extension", take.extension, 'extension = "201"', required=True),
        Setting("name", take.text(60), 'name = "Balcão"'),
        Setting("secret", take.phone_secret, 'secret = "k3hT9wQzL2vM"  # or leave it out: one is made'),
        Setting("virtual", take.boolean, "virtual = true"),
        Setting("mac", take.mac, 'mac = "001565AABBCC"'),
        Setting("model", take.choice(*get_args(PhoneModel)), 'model = "yealink"'),
    ),
)

AGENT = Table(
    "agent",
    "agents",
    Agent,
    "code",
    "the agent",
    500,
    (
        Setting("code", take.code, 'code = "7"', required=True),
        Setting("name", take.text(60, low=1), 'name = "Ana Souza"', required=True),
        Setting("phone", take.phone, 'phone = "201"'),
        Setting("pin", take.pin, 'pin = "4821"', required=True),
        Setting("queues", part.memberships, 'queues = ["sales", { queue = "support", penalty = 5 }]'),
        Setting("skills", part.skills, 'skills = ["en", { skill = "es", level = 2 }]'),
        Setting("supervisor", take.boolean, "supervisor = true"),
        Setting("voicemail", take.boolean, "voicemail = true"),
        Setting("record", part.maybe_record, 'record = "never"'),
        Setting("record_sides", take.choice("", "mono", "stereo"), 'record_sides = "stereo"'),
    ),
)

PAUSE = Table(
    "pause",
    "pauses",
    PauseReason,
    "code",
    "the pause",
    10,
    (
        Setting("code", take.name, 'code = "lunch"', required=True),
        Setting("key", take.digit, 'key = "1"', required=True),
        Setting("title", take.text(60, low=1), 'title = "Almoço"', required=True),
        Setting("productive", take.boolean, "productive = true"),
        Setting("max_min", take.integer(0, 1440), "max_min = 60"),
    ),
)

MUSIC = Table(
    "music",
    "music",
    Music,
    "name",
    "the music",
    50,
    (
        Setting("name", take.name, 'name = "calm"', required=True),
        Setting("title", take.text(60), 'title = "Música calma"'),
        Setting("order", take.choice(*get_args(MusicOrder)), 'order = "in-order"'),
    ),
)

SURVEY = Table(
    "survey",
    "surveys",
    Survey,
    "name",
    "the survey",
    50,
    (
        Setting("name", take.name, 'name = "quality"', required=True),
        Setting("questions", part.questions, 'questions = ["csat", "nps", "resolved"]'),
        Setting("asks", take.choice(*get_args(SurveyAsks)), 'asks = "by-agent"'),
        Setting("percent", take.integer(0, 100), "percent = 50"),
        Setting("not_again_days", take.integer(0, 365), "not_again_days = 30"),
        Setting("limit_s", take.integer(20, 300), "limit_s = 90"),
        Setting("intro", take.text(500), 'intro = "Avalie o nosso atendimento."'),
        Setting("intro_in", part.sayings, 'intro_in = { en = "Please rate our service." }'),
        Setting("csat", take.text(500), 'csat = "De 1 a 5, que nota você dá?"'),
        Setting("csat_in", part.sayings, 'csat_in = { en = "From 1 to 5, how satisfied are you?" }'),
        Setting("nps", take.text(500), 'nps = "De 0 a 10, quanto você nos recomenda? Para 10, tecle asterisco."'),
        Setting("nps_in", part.sayings, 'nps_in = { en = "From 0 to 10, would you recommend us?" }'),
        Setting("resolved", take.text(500), 'resolved = "Resolvemos? 1 para sim, 2 para não."'),
        Setting("resolved_in", part.sayings, 'resolved_in = { en = "Did we help? 1 for yes, 2 for no." }'),
        Setting("sentence", take.text(500), 'sentence = "Deixe uma frase depois do sinal."'),
        Setting("sentence_in", part.sayings, 'sentence_in = { en = "Leave us a sentence after the tone." }'),
        Setting("thanks", take.text(500), 'thanks = "Obrigado."'),
        Setting("thanks_in", part.sayings, 'thanks_in = { en = "Thank you." }'),
    ),
)

QUEUE = Table(
    "queue",
    "queues",
    Queue,
    "name",
    "the queue",
    100,
    (
        Setting("name", take.name, 'name = "sales"', required=True),
        Setting("title", take.text(60), 'title = "Vendas"'),
        Setting("strategy", take.choice(*get_args(Strategy)), 'strategy = "longest-idle"'),
        Setting("ring_s", take.integer(1, 300), "ring_s = 15"),
        Setting("retry_s", take.integer(1, 300), "retry_s = 2"),
        Setting("wrap_up_s", take.integer(0, 3600), "wrap_up_s = 5"),
        Setting("max_wait_s", take.integer(1, 14_400), "max_wait_s = 300"),
        Setting("max_waiting", take.integer(1, 1000), "max_waiting = 50"),
        Setting("overflow", take.place, 'overflow = "voicemail:sales"'),
        Setting("no_agent", take.place, 'no_agent = "voicemail:sales"'),
        Setting("announce_position", take.boolean, "announce_position = true"),
        Setting("announce_every_s", take.integer(5, 3600), "announce_every_s = 45"),
        Setting("record", part.record, 'record = "on-demand"'),
        Setting("record_sides", take.choice("", "mono", "stereo"), 'record_sides = "stereo"'),
        Setting("notice", take.boolean, "notice = false"),
        Setting("answer_within_s", take.integer(1, 3600), "answer_within_s = 20"),
        Setting("announce_wait", take.boolean, "announce_wait = false"),
        Setting("priority", take.integer(0, 5), "priority = 1"),
        Setting("age_every_s", take.integer(1, 3600), "age_every_s = 60"),
        Setting("widen_after_s", take.integer(0, 3600), "widen_after_s = 30"),
        Setting("sticky_s", take.integer(0, 600), "sticky_s = 20"),
        Setting("sticky_days", take.integer(1, 365), "sticky_days = 7"),
        Setting("full", take.place, 'full = "voicemail:sales"'),
        Setting("max_predicted_s", take.integer(0, 14_400), "max_predicted_s = 600"),
        Setting("predicted", take.place, 'predicted = "callback:sales"'),
        Setting("hours", take.reference, 'hours = "shop"'),
        Setting("closed", take.place, 'closed = "voicemail:sales"'),
        Setting("callback", take.choice(*get_args(Callback)), 'callback = "agent-first"'),
        Setting("callback_key", take.key, 'callback_key = "1"'),
        Setting("callback_offer_s", take.integer(0, 14_400), "callback_offer_s = 300"),
        Setting("callback_tries", take.integer(1, 10), "callback_tries = 3"),
        Setting("callback_retry_min", take.integer(1, 1440), "callback_retry_min = 10"),
        Setting("callback_expires_min", take.integer(1, 10_080), "callback_expires_min = 240"),
        Setting("callback_hours", take.reference, 'callback_hours = "shop"'),
        Setting("extension", take.no_extension, 'extension = "601"'),
        Setting("whisper", take.boolean, "whisper = false"),
        Setting("music", take.reference, 'music = "calm"'),
        Setting("survey", take.reference, 'survey = "quality"'),
        Setting("keep_days", take.integer(0, 36_500), "keep_days = 365"),
        Setting("sac", take.boolean, "sac = true"),
        Setting(
            "dispositions", part.dispositions, 'dispositions = { 1 = "sold: Vendido", 2 = "again: Ligar de novo" }'
        ),
    ),
)

CAMPAIGN = Table(
    "campaign",
    "campaigns",
    Campaign,
    "name",
    "the campaign",
    99,
    (
        Setting("name", take.name, 'name = "spring"', required=True),
        Setting("code", take.campaign_code, 'code = "1"', required=True),
        Setting("title", take.text(60), 'title = "Ofertas de primavera"'),
        Setting("record", part.maybe_record, 'record = "always"'),
        Setting("record_sides", take.choice("", "mono", "stereo"), 'record_sides = "stereo"'),
        Setting("keep_days", take.integer(0, 36_500), "keep_days = 365"),
        Setting("sac", take.boolean, "sac = true"),
    ),
)

MENU = Table(
    "menu",
    "menus",
    Menu,
    "name",
    "the menu",
    100,
    (
        Setting("name", take.name, 'name = "main"', required=True),
        Setting("text", take.text(1000, low=1), 'text = "Para vendas, tecle 1."', required=True),
        Setting("text_in", part.sayings, 'text_in = { en = "For sales, press 1." }'),
        Setting("options", part.options, 'options = { 1 = "queue:sales", 9 = "menu:main" }', required=True),
        Setting("wait_s", take.integer(1, 60), "wait_s = 5"),
        Setting("tries", take.integer(1, 10), "tries = 3"),
        Setting("otherwise", take.place, 'otherwise = "queue:sales"'),
        Setting("wrong_tries", take.integer(0, 10), "wrong_tries = 2"),
        Setting("silent_tries", take.integer(0, 10), "silent_tries = 2"),
        Setting("wrong", take.place, 'wrong = "queue:sales"'),
        Setting("silent", take.place, 'silent = "queue:sales"'),
        Setting("direct_dial", take.boolean, "direct_dial = true"),
    ),
)

ALARM = Table(
    "alarm",
    "alarms",
    Alarm,
    "name",
    "the alarm",
    100,
    (
        Setting("name", take.name, 'name = "sales-late"', required=True),
        Setting("measure", take.choice(*get_args(Measure)), 'measure = "longest-wait"', required=True),
        Setting("queue", take.reference, 'queue = "sales"'),
        Setting("limit", take.integer(0, 14_400), "limit = 60"),
        Setting("window_min", take.integer(1, 1440), "window_min = 30"),
        Setting("min_calls", take.integer(1, 1000), "min_calls = 5"),
        Setting("hours", take.reference, 'hours = "shop"'),
        Setting("holds_s", take.integer(0, 3600), "holds_s = 30"),
        Setting("mail", take.every(part.mail_address, 20), 'mail = ["boss@example.com"]'),
        Setting("webhook", part.web_address, 'webhook = "https://example.com/alarm"'),
        Setting("webhook_secret", take.provider_secret, 'webhook_secret = "a-long-word-both-sides-know"'),
        Setting("resolved", take.boolean, "resolved = false"),
        Setting("quiet_min", take.integer(0, 1440), "quiet_min = 15"),
    ),
)

MAIL = Table(
    "mail",
    "mail",
    Mail,
    "host",
    "the mail server",
    1,
    (
        Setting("host", take.host, 'host = "smtp.example.com"', required=True),
        Setting("port", take.integer(1, 65535), "port = 587"),
        Setting("security", take.choice(*get_args(MailSecurity)), 'security = "starttls"'),
        Setting("username", take.text(128), 'username = "office@example.com"'),
        Setting("password", take.text(128), 'password = "the password of your provider"'),
        Setting("sender", part.mail_address, 'sender = "office@example.com"', required=True),
    ),
)

VOICEMAIL = Table(
    "voicemail",
    "voicemails",
    Voicemail,
    "name",
    "the voicemail",
    700,
    (
        Setting("name", part.word, 'name = "sales"  # a queue, "office", "agent-7", or a new one', required=True),
        Setting("greeting", take.text(1000), 'greeting = "Deixe seu recado para vendas depois do sinal."'),
        Setting("greeting_in", part.sayings, 'greeting_in = { en = "Please leave your message for sales." }'),
        Setting("hours", take.reference, 'hours = "shop"'),
        Setting("closed_greeting", take.text(1000), 'closed_greeting = "Voltamos amanhã. Deixe seu recado."'),
        Setting("closed_greeting_in", part.sayings, 'closed_greeting_in = { en = "We are back tomorrow." }'),
        Setting("max_s", take.integer(5, 900), "max_s = 180"),
        Setting("mail", take.every(part.mail_address, 20), 'mail = ["sales@example.com"]'),
        Setting("mail_sound", take.boolean, "mail_sound = false"),
        Setting("phones", take.every(take.phone, 100), 'phones = ["201", "202"]'),
    ),
)

RECORDINGS = Table(
    "recordings",
    "recordings",
    Recordings,
    "name",
    "the recordings",
    1,
    (
        Setting("keep_days", take.integer(0, 36_500), "keep_days = 365"),
        Setting("message_days", take.integer(0, 36_500), "message_days = 180"),
        Setting("survey_days", take.integer(0, 36_500), "survey_days = 365"),
        Setting("campaign_days", take.integer(0, 36_500), "campaign_days = 365"),
        Setting("minimum_days", take.integer(0, 3650), "minimum_days = 30"),
        Setting("quota_gb", take.integer(0, 1_000_000), "quota_gb = 200"),
        Setting("quota_percent", take.integer(1, 100), "quota_percent = 90"),
        Setting("keep_free_mb", take.integer(0, 1_000_000), "keep_free_mb = 500"),
        Setting("sides", take.choice("mono", "stereo"), 'sides = "stereo"'),
        Setting("notice", take.boolean, "notice = false"),
        Setting("objection_key", part.maybe_digit, 'objection_key = "9"'),
        Setting("record_code", part.in_call_code, 'record_code = "*1"'),
        Setting("card_code", part.in_call_code, 'card_code = "*7"'),
        Setting("card_limit_s", take.integer(5, 3600), "card_limit_s = 120"),
        Setting("seal_mail", take.every(part.mail_address, 20), 'seal_mail = ["boss@example.com"]'),
    ),
)

COPY = Table(
    "copy",
    "copy",
    Copy,
    "host",
    "the off-box copy",
    1,
    (
        Setting("kind", take.choice(*get_args(CopyKind)), 'kind = "sftp"', required=True),
        Setting("host", take.host, 'host = "nas.example.com"', required=True),
        Setting("port", take.integer(0, 65535), "port = 2222"),
        Setting("folder", part.far_folder, 'folder = "backup/ramal"', required=True),
        Setting("user", part.far_user, 'user = "ramal"', required=True),
        Setting("secret", take.text(128, low=1), 'secret = "the password of that user"', required=True),
        Setting("fingerprint", part.fingerprint, 'fingerprint = "SHA256:…"  # the connection test shows it'),
        Setting("window", part.time_window, 'window = "01:00-06:00"'),
        Setting("bandwidth_kbit", take.integer(0, 10_000_000), "bandwidth_kbit = 4000"),
        Setting("delete", take.boolean, "delete = true"),
        Setting("warn_days", take.integer(1, 365), "warn_days = 3"),
    ),
)

BACKUP = Table(
    "backup",
    "backup",
    Backup,
    "name",
    "the backup",
    1,
    (
        Setting("hour", take.integer(0, 23), "hour = 3"),
        Setting("folder", part.local_folder, 'folder = "/data/backups"'),
        Setting("stick", part.local_folder, 'stick = "/media/backup"'),
        Setting("off_box", take.boolean, "off_box = true"),
        Setting("days", take.integer(1, 60), "days = 7"),
        Setting("weeks", take.integer(0, 52), "weeks = 4"),
        Setting("months", take.integer(0, 60), "months = 6"),
        Setting("max_mb", take.integer(1, 1_000_000), "max_mb = 2000"),
    ),
)

LISTS = (
    LINE,
    HOLIDAY,
    HOURS,
    NUMBER,
    PHONE,
    PAUSE,
    AGENT,
    MUSIC,
    SURVEY,
    QUEUE,
    CAMPAIGN,
    MENU,
    ALARM,
    MAIL,
    COPY,
    VOICEMAIL,
    RECORDINGS,
    BACKUP,
)
"""Every ``[[table]]``, in the order of a written file. What there is once at most is written ``[table]``."""
