"""The page: Flask behind waitress, as an unprivileged reader of the box."""

from ramal_web.app import create_app
from ramal_web.settings import WebSettings, of_home

__all__ = ["WebSettings", "create_app", "of_home"]
