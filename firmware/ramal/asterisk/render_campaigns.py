"""Which campaign a code on a phone means, for ``dialplan/campaign.conf``. Pure."""

from ramal.asterisk.tokens import token
from ramal.core.office import Office


def campaigns(office: Office) -> str:
    """[ramal-campaign]: the name behind a code; nothing behind all others."""
    rows = [f"exten => {token(each.code)},1,Return({token(each.name)})" for each in office.campaigns]
    return "\n".join(["[ramal-campaign]", *rows, "exten => _X!,1,Return()"]) + "\n"
