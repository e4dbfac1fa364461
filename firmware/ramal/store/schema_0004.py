"""What migration 0004 makes: the box's own life (backups, clock, updates). Times as in ``schema_0001``. None of these
tables is derived from the journals: ``ramal rebuild`` leaves them alone."""

FOURTH: tuple[str, ...] = ()
