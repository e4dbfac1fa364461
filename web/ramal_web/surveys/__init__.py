"""What callers think: scores with their response rates, sentences to listen to, and who should be called back."""

from ramal_web.surveys.views import blueprint

__all__ = ["blueprint"]
