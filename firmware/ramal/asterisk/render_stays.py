"""Queues and voicemail as destinations. Pure."""

from ramal.asterisk.goto import goto
from ramal.asterisk.tokens import token
from ramal.core.office import Queue


def queues(queues: tuple[Queue, ...]) -> str:
    rows = ["[dest-queue]"]
    for queue in queues:
        record = "yes" if queue.record else "no"
        rows.append(f"exten => {token(queue.name)},1,Gosub(ramal-queue,s,1({queue.name},{queue.max_wait_s},{record}))")
        if queue.no_agent is not None:
            rows.append(f' same => n,ExecIf($["${{QUEUESTATUS:0:5}}"="JOINE"]?{goto(queue.no_agent)})')
            rows.append(f' same => n,ExecIf($["${{QUEUESTATUS:0:6}}"="LEAVEE"]?{goto(queue.no_agent)})')
        rows.append(f" same => n,{goto(queue.overflow)}")
    return "\n".join(rows) + "\n"


def voicemail(queues: tuple[Queue, ...]) -> str:
    rows = ["[dest-voicemail]"]
    for queue in queues:
        rows += [
            f"exten => {token(queue.name)},1,Gosub(ramal-voicemail,s,1({queue.name}))",
            " same => n,Hangup(16)",
        ]
    return "\n".join(rows) + "\n"
