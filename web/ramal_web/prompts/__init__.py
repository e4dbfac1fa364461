"""What the office says: every sentence, who speaks it, another sound for it; and music on hold."""

from ramal_web.prompts.views import blueprint

__all__ = ["blueprint"]
