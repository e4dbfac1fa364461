"""On which line of a TOML text each value stands; ``tomllib`` does not tell.

Pure. A second, lenient walk over a text that ``tomllib`` has already accepted: it only follows quotes, brackets and
line ends, it judges nothing. A path is keys and list positions as in the parsed tree: ``("queue", 0, "max_wait_s")``,
``("agent", 2, "queues", 1, "penalty")``.
"""

import tomllib
from bisect import bisect_right
from collections.abc import Mapping

Path = tuple[str | int, ...]

_SPACE = " \t"
_BLANK = " \t\n"
_BARE_END = " \t\n.=]"
_VALUE_END = ",]}#\n"


class Where:
    """The lines of one text, counted from 1."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self._lines = lines

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the nearest table around it that stands in the file; 1 when none does."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1


def where(text: str) -> Where:
    """The lines of ``text``, which ``tomllib.loads`` accepts."""
    walk = _Walk(text.replace("\r\n", "\n"))
    walk.document()
    return Where(walk.lines)


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._breaks = [at for at, char in enumerate(text) if char == "\n"]
        self._arrays: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK, comments=True):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        line, array = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if array else 1
        path: Path = ()
        keys = self._keys()
        self.at += 2 if array else 1
        for last, key in enumerate(keys, start=1 - len(keys)):
            path = (*path, key)
            if last == 0 and array:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                self.lines.setdefault(path, line)
                path = (*path, self._arrays[path])
            self.lines.setdefault(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line, path = self._line(), table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self._value(path)

    def _keys(self) -> list[str]:
        """A dotted key, up to its ``=`` or ``]``."""
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            start = self.at
            if self.text[start] in "\"'":
                self._quoted()
                keys.append(str(tomllib.loads(f"k = {self.text[start : self.at]}")["k"]))
            else:
                while self.text[self.at] not in _BARE_END:
                    self.at += 1
                keys.append(self.text[start : self.at])
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        match self.text[self.at]:
            case "[":
                self._list(path)
            case "{":
                self._inline(path)
            case '"' | "'":
                self._quoted()
            case _:
                while self.at < len(self.text) and self.text[self.at] not in _VALUE_END:
                    self.at += 1

    def _list(self, path: Path) -> None:
        self.at += 1
        place = 0
        while self._skip(_BLANK + ",", comments=True) and self.text[self.at] != "]":
            item = (*path, place)
            self.lines[item] = self._line()
            self._value(item)
            place += 1
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        while self._skip(_BLANK + ",", comments=True) and self.text[self.at] != "}":
            self._pair(path)
        self.at += 1

    def _quoted(self) -> None:
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.at += len(mark)
        while not self.text.startswith(mark, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(mark)
        # Up to two quotes may stand before the closing three: """she said "no""""" ends at the last of five.
        while len(mark) == 3 and self.text.startswith(quote, self.at):
            self.at += 1

    def _skip(self, chars: str, *, comments: bool = False) -> bool:
        """Go on to the next character that means something; False at the end of the text."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if comments and char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif char in chars:
                self.at += 1
            else:
                return True
        return False

    def _line(self) -> int:
        return bisect_right(self._breaks, self.at - 1) + 1
