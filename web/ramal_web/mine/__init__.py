"""One agent's own page: who calls, what was said last time, and what the agent can do about it."""

from ramal_web.mine.views import blueprint

__all__ = ["blueprint"]
