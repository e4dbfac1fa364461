"""What the page and the command line may ask of the running daemon beyond looking, one module a subject.

Each module has ``subject(means) -> Subject``; ``app.py`` lists them. A subject decides nothing that a call waits for.
"""
