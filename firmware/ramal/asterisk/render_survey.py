"""What each queue's survey asks, of whom, and with which words. Pure.

``survey.conf`` does the work. A queue without a survey has no row, so asking whether there is one is asking for it.
"""

from ramal.asterisk.goto import prompt
from ramal.asterisk.tokens import token
from ramal.core.office import SURVEY_PARTS, Office, Queue, Survey


def surveys(office: Office) -> str:
    """``ramal-survey-rules`` (questions|percent|days|limit_s), ``ramal-survey-says`` (``<queue>-<part>`` → file),
    ``ramal-survey-after`` (the queues whose agents cannot avoid it), and ``*54`` among what phones hand on to."""
    named = {survey.name: survey for survey in office.surveys}
    asking = [(queue, named[queue.survey]) for queue in office.queues if queue.survey in named]
    rules, says, after = ["[ramal-survey-rules]"], ["[ramal-survey-says]"], ["[ramal-survey-after]"]
    for queue, survey in asking:
        name = token(queue.name)
        asked = "-".join(survey.questions)
        rules.append(f"exten => {name},1,Return({asked}|{survey.percent}|{survey.not_again_days}|{survey.limit_s})")
        says += _says(queue, survey, office)
        if survey.asks == "everybody":
            after.append(f"exten => {name},1,NoOp()")
    transfer = ["[transfer]", "exten => *54,1,Goto(ramal-hand-to-survey,s,1)"] if asking else []
    return "\n".join([*rules, "", *says, "", *after, "", *transfer]) + "\n"


def _says(queue: Queue, survey: Survey, office: Office) -> list[str]:
    rows = []
    for part in SURVEY_PARTS:
        if part in survey.questions or part in ("intro", "thanks"):
            text, others = survey.said(part)
            file = prompt(text, office, others) if text else f"${{RAMAL_PROMPTS}}/survey-{part}"
            rows.append(f"exten => {token(queue.name)}-{part},1,Return({file})")
    return rows
