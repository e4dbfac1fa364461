"""What supervisors do with agents and waiting callers."""

from ramal_web.desk.views import blueprint

__all__ = ["blueprint"]
