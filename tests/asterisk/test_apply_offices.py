"""Whatever office is valid, its files are readable, and what they mean is what the office says."""

from hypothesis import HealthCheck, given, settings

from ramal.asterisk.reload import expect
from ramal.asterisk.render import Box, render
from ramal.core.office import Office
from ramal.core.places import asterisk_queues
from tests.core.offices import offices

BOX = Box(
    etc="/r/etc/current",
    data="/usr/share/asterisk",
    lib="/r/lib",
    log="/r/log",
    spool="/r/spool",
    run="/r/run",
    recordings="/r/recordings",
    prompts="/r/prompts",
    own="/r/own",
    custom="/r/etc/custom",
    sip_bind="127.0.0.1",
    sip_port=5060,
    rtp_first=10000,
    rtp_last=10999,
    ami_port=5038,
    ami_secret="hush",
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(offices())
def test_every_valid_office_becomes_files_that_asterisk_reads_whole(office: Office) -> None:
    files = render(office, BOX)
    expected, problems = expect(files, lambda name: {name: files[name]} if name in files else None)
    assert problems == ()
    assert expected.queues == {queue.name for queue in asterisk_queues(office)}
    ours = {"ramal-health", *(f"line-{line.name}" for line in office.lines)}
    assert expected.endpoints == {phone.extension for phone in office.phones} | ours
    assert expected.auths >= {(phone.extension, phone.secret) for phone in office.phones}
    assert expected.extensions["dest-number"] == {number.number for number in office.numbers}
    assert expected.extensions["dest-menu"] == {menu.name for menu in office.menus}
    assert expected.extensions["hours"] == {week.name for week in office.hours}
