"""The figures of menus, arranged for a page. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from ramal.core.destination import Destination
from ramal.store.read import MenuFigures
from ramal_web.history import OfficeWords


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a menu: how often, where it leads (None: an extension, or no option any more), its bar (0–100)."""

    key: str
    count: int
    to: Destination | None
    bar: float


@dataclass(frozen=True, slots=True)
class Table:
    """One menu. ``left`` are those who went away in it: hung up, gave up or were taken away; in percent of ``came``."""

    menu: str
    came: int
    keys: tuple[Key, ...]
    hung_up: int
    given_up: int
    lost: int
    wrong: int
    silent: int
    again: int

    @property
    def left(self) -> int:
        return self.hung_up + self.given_up

    def share(self, count: int) -> float:
        """``count`` in percent of those who came."""
        return 100 * count / self.came if self.came else 0.0


def tables(figures: Iterable[MenuFigures], office: OfficeWords) -> list[Table]:
    """Every menu of the office and every one that had callers, the busiest first."""
    known = {one.menu: one for one in figures}
    names = dict.fromkeys([*office.menus, *known])
    made = [_table(known.get(name) or MenuFigures(name), office) for name in names]
    return sorted(made, key=lambda table: -table.came)


def _table(figures: MenuFigures, office: OfficeWords) -> Table:
    options = office.menus.get(figures.menu, {})
    most = max([*figures.keys.values(), 1])
    keys = [
        Key(key, figures.keys.get(key, 0), options.get(key), 100 * figures.keys.get(key, 0) / most)
        for key in dict.fromkeys([*options, *sorted(figures.keys)])
    ]
    return Table(
        figures.menu,
        figures.entered,
        tuple(keys[:60]),
        figures.hung_up,
        figures.given_up,
        figures.lost,
        figures.wrong,
        figures.silent,
        figures.again,
    )
