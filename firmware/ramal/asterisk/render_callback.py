"""What differs from queue to queue when callers are called back, and which numbers may be. Pure.

``callback.conf`` does the work; here stand the keys that leave a queue, each queue's rules, and the country's numbers:
only national ones are ever called back, for the caller may type any, and none of our own and no costly one.
A queue keeps at most half as many callbacks as it has places (``max_waiting``), so that they alone never fill it, and
takes at most ``max_waiting`` in an hour.
"""

import phonenumbers

from ramal.asterisk.render_outside import costly
from ramal.asterisk.tokens import token
from ramal.core.office import Office, Queue

_BRAZIL = (
    # (what is typed or sent, how many leading digits to drop): area code without 0, mobile with 9, fixed 2 to 5
    ("_c+55ZZ9XXXXXXXX", 4, "+55"),
    ("_c+55ZZ[2-5]XXXXXXX", 4, "+55"),
    ("_c55ZZ9XXXXXXXX", 3, "+55"),
    ("_c55ZZ[2-5]XXXXXXX", 3, "+55"),
    ("_c0ZZ9XXXXXXXX", 2, "+55"),
    ("_c0ZZ[2-5]XXXXXXX", 2, "+55"),
    ("_cZZ9XXXXXXXX", 1, "+55"),
    ("_cZZ[2-5]XXXXXXX", 1, "+55"),
)


def callbacks(office: Office) -> str:
    """Every generated context of callbacks; queues without them have rules all the same (a record may outlive them)."""
    parts = [_rules(office), _hours(office.queues), _destinations(office.queues), _numbers(office.country)]
    parts += [_keys(queue) for queue in office.queues if queue.callback != "no" and queue.callback_key]
    return "\n".join(parts)


def _keys(queue: Queue) -> str:
    """The caller has left app_queue, but not ``ramal-visit``: who stays goes back, at the same place."""
    name = token(queue.name)
    return f"""[queue-keys-{name}]
exten => {token(queue.callback_key) if queue.callback_key != "#" else "#"},1,CELGenUserEvent(QUEUE_END,{name}|KEY)
 same => n,Gosub(ramal-callback,s,1({name}))
 same => n,ExecIf($["${{GOSUB_RETVAL}}"="yes"]?Hangup(16))
 same => n,Return(again)
"""


def _destinations(queues: tuple[Queue, ...]) -> str:
    """``callback:<queue>``: the dialogue without waiting first. Who declines waits after all, asked only once."""
    rows = ["[dest-callback]"]
    for queue in queues:
        name = token(queue.name)
        rows += [
            f'exten => {name},1,GotoIf($["${{RAMAL_CALLBACK_DECLINED}}"="1"]?dest-hangup,s,1)',
            " same => n,Answer(,i)",
            f" same => n,Gosub(ramal-join,s,1({name},{queue.answer_within_s},{queue.priority}))",
            f" same => n,Gosub(ramal-callback,s,1({name}))",
            ' same => n,GotoIf($["${GOSUB_RETVAL}"!="yes"]?declined)',
            f" same => n,CELGenUserEvent(QUEUE,{name}|)",
            f" same => n,CELGenUserEvent(QUEUE_END,{name}|CALLBACK)",
            " same => n,Hangup(16)",
            " same => n(declined),Set(RAMAL_CALLBACK_DECLINED=1)",
            f" same => n,Goto(dest-queue,{name},1)",
        ]
    return "\n".join(rows) + "\n"


def _rules(office: Office) -> str:
    rows = ["[ramal-callback-rules]"]
    for queue in office.queues:
        rows += [
            f"exten => {token(queue.name)},1,Set(RAMAL_EXPIRES_MIN={queue.callback_expires_min})",
            f" same => n,Set(RAMAL_TRIES={queue.callback_tries})",
            f" same => n,Set(RAMAL_WIDEN_S={queue.widen_after_s})",
            f" same => n,Set(RAMAL_CUSTOMER_FIRST={'yes' if queue.callback == 'customer-first' else 'no'})",
            f" same => n,Set(RAMAL_QUEUE_LEVELS={queue.priority})",
            f" same => n,Set(RAMAL_RETRY_MIN={queue.callback_retry_min})",
            f" same => n,Set(RAMAL_CALLBACK_MOST={max(1, queue.max_waiting // 2)})",
            f" same => n,Set(RAMAL_CALLBACK_HOUR={queue.max_waiting})",
            " same => n,Return()",
        ]
    rows += [
        "exten => _[a-z].,1,Set(RAMAL_EXPIRES_MIN=1)",
        " same => n,Set(RAMAL_TRIES=0)",
        " same => n,Set(RAMAL_WIDEN_S=0)",
        " same => n,Set(RAMAL_CUSTOMER_FIRST=no)",
        " same => n,Set(RAMAL_QUEUE_LEVELS=0)",
        " same => n,Set(RAMAL_RETRY_MIN=1)",
        " same => n,Set(RAMAL_CALLBACK_MOST=0)",
        " same => n,Set(RAMAL_CALLBACK_HOUR=0)",
        " same => n,Return()",
    ]
    return "\n".join(rows) + "\n"


def _hours(queues: tuple[Queue, ...]) -> str:
    """``open`` or ``closed``: may customers of this queue be called now?"""
    rows = ["[ramal-callback-hours]"]
    for queue in queues:
        if queue.callback_hours:
            rows += [
                f"exten => {token(queue.name)},1,Gosub(hours,{token(queue.callback_hours)},1)",
                " same => n,Return(${GOSUB_RETVAL})",
            ]
    rows.append("exten => _[a-z].,1,Return(open)")
    return "\n".join(rows) + "\n"


def _numbers(country: str) -> str:
    """``ramal-callback-number``: the E.164 form of a national number, empty for anything else.
    ``ramal-callback-said``: its digits as people of the country say them."""
    code = str(phonenumbers.country_code_for_region(country))
    if country == "BR":
        rules = list(_BRAZIL)
    else:
        rules = [(f"_c+{code}XXXXXX.", len(code) + 2, f"+{code}"), ("_c0ZXXXXX.", 2, f"+{code}")]
    rows = ["[ramal-callback-number]"]
    for pattern, drop, prefix in rules:
        rows += [f"exten => {pattern},1,Set(LOCAL(whole)={prefix}${{EXTEN:{drop}}})", " same => n,Goto(whole,1)"]
    rows += ["exten => whole,1,GotoIf($[${DIALPLAN_EXISTS(ramal-ours,${whole},1)}]?no)"]
    costs = costly(country, "premium_rate", "shared_cost")
    if costs:
        match = f'$["${{whole}}" =~ "^([+]{code}({costs}))$"]'
        rows.append(f" same => n,GotoIf(${{LEN({match})}}?no)")
    rows += [
        " same => n,Gosub(ramal-dial-rule,${whole},1)",
        ' same => n,Return(${IF($["${GOSUB_RETVAL}"="national"]?${whole})})',
        " same => n(no),Return()",
    ]
    rows += ["exten => _c!,1,Return()", "", "[ramal-callback-said]"]
    rows += [
        f"exten => _c+{code}X.,1,Return(${{FILTER(0-9,${{EXTEN:{len(code) + 2}}})}})",
        "exten => _c.,1,Return(${FILTER(0-9,${EXTEN})})",
    ]
    return "\n".join(rows) + "\n"
