"""``/network``: the box's address, the phones' VLAN, further networks. For the owner.

Law: what is tried here returns by itself unless somebody who reaches the box afterwards keeps it, so nobody is locked
out by a wrong number.
"""

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from ramal_web.asking import NotDone, ask
from ramal_web.i18n import gettext
from ramal_web.security import only
from ramal_web.told import not_done, told

blueprint = Blueprint("network", __name__)
FIELDS = ("mode", "address", "gateway", "dns", "vlan", "vlan_address", "trust")
FIELD_MAX = 400


@blueprint.get("/network")
@only("owner")
def index() -> str:
    try:
        state, problem = ask("network.status"), None
    except NotDone as refused:
        state, problem = None, refused.sentence
    return render_template("network/index.html", state=state, problem=problem)


@blueprint.post("/network")
@only("owner")
def change() -> Response:
    try:
        ask("network.change", **{name: request.form.get(name, "")[:FIELD_MAX] for name in FIELDS})
    except NotDone as problem:
        return not_done(problem, "/network")
    sentence = gettext("It is being tried. Open this page again, at the new address if it is another one, and keep it.")
    return told(sentence, "/network")


@blueprint.post("/network/<any(confirm, back):act>")
@only("owner")
def settle(act: str) -> Response:
    try:
        ask(f"network.{act}")
    except NotDone as problem:
        return not_done(problem, "/network")
    sentence = gettext("It is being kept.") if act == "confirm" else gettext("The settings of before return.")
    return told(sentence, "/network")
