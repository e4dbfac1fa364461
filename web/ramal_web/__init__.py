"""The page: Flask behind waitress, as an unprivileged reader of the box.

``ramal_web.app.create_app(ramal_web.settings.of_home(home))`` is the WSGI application; ``python -m ramal_web`` serves
it. Nothing is imported here, so that ``python -m ramal_web.catalogs`` needs no more than it uses.
"""
