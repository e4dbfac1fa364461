"""How right "about 4 to 7 minutes" is on generated days, beside Asterisk's own estimate.

Run: ``python -m tests.bench.bench_forecast`` (about a minute).

P50, P80: how many of the callers who were told something waited at most the lower, the upper figure (before rounding,
and as said in whole minutes). Pinball: mean loss in seconds at 0.5 and 0.8, less is better. app_queue has one
figure for everything: its moving average of waits, whatever the caller's place.
"""

from tests.core.waits import SCENARIOS, Told, days, pinball, told

DAYS, LEARNT = 5, 2
SEEDS = (1, 2, 3)


def figures(rows: list[Told]) -> dict[str, float]:
    """Shares and mean losses of those who were told a band."""
    said = [(row, row.band) for row in rows if row.band is not None]
    count = max(1, len(said))
    return {
        "callers": len(rows),
        "told": len(said) / max(1, len(rows)),
        "p50": sum(row.true_s <= band.low_s for row, band in said) / count,
        "p80": sum(row.true_s <= band.high_s for row, band in said) / count,
        "p50 min": sum(row.true_s <= 60 * band.minutes[0] for row, band in said) / count,
        "p80 min": sum(row.true_s <= 60 * band.minutes[1] for row, band in said) / count,
        "loss50": sum(pinball(row.true_s, band.low_s, 0.5) for row, band in said) / count,
        "loss80": sum(pinball(row.true_s, band.high_s, 0.8) for row, band in said) / count,
        "ewma at most": sum(row.true_s <= row.asterisk_s for row, _ in said) / count,
        "ewma loss50": sum(pinball(row.true_s, row.asterisk_s, 0.5) for row, _ in said) / count,
        "ewma loss80": sum(pinball(row.true_s, row.asterisk_s, 0.8) for row, _ in said) / count,
    }


def main() -> None:
    """Print the table."""
    print("| days | told | ≤ P50 | ≤ P80 | as said | pinball 0.5 / 0.8 | app_queue ≤ | its pinball 0.5 / 0.8 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, plan in SCENARIOS.items():
        rows: list[Told] = []
        for seed in SEEDS:
            came, agents = days(plan, DAYS, seed)
            rows += told(came, agents, LEARNT * 86_400)
        f = figures(rows)
        print(
            f"| {name} | {f['told']:.0%} of {f['callers']} | {f['p50']:.0%} | {f['p80']:.0%} "
            f"| {f['p50 min']:.0%} / {f['p80 min']:.0%} | {f['loss50']:.0f} / {f['loss80']:.0f} s "
            f"| {f['ewma at most']:.0%} | {f['ewma loss50']:.0f} / {f['ewma loss80']:.0f} s |"
        )


if __name__ == "__main__":
    main()
