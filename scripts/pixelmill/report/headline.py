"""Headline: what the head of the page says about a run, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pixelmill.engines.registry import BASELINE
from pixelmill.report.comparison import ComparedRow, Comparison, digits_of
from pixelmill.report.conclusion import BEGINNINGS, State, size

#: How many cores other processes may use during a pass, and which share of the time the
#: hypervisor may take, before times are doubtful.
OTHERS_CORES = 0.2
OTHERS_SHARE = 0.05
STEAL = 0.02

#: The load average per core at the start of the first pass from which the machine counts as busy,
#: where the system does not tell what other processes use. Later passes have that of earlier ones.
LOAD_SHARE = 0.75

#: What is said of a speed if the machine was busy.
_DOUBTED = "not reliable: the machine was busy"

#: How the state is called.
_TITLES = {
    State.SUCCESS: "Everything worked",
    State.PARTIAL: "It worked, but some images failed",
    State.FAILURE: "The run failed",
}

#: Classes of the card by state.
_CLASSES = {State.SUCCESS: "good", State.PARTIAL: "partial", State.FAILURE: "bad"}

#: How many recipes and datasets the head names.
_MOST_NAMED = 4


@dataclass(frozen=True)
class Figure:
    """A large number of the head, with what it means."""

    value: str
    label: str
    notes: tuple[str, ...] = ()
    look: str = ""


@dataclass(frozen=True)
class Headline:
    """The head of the page.

    Attributes
    ----------
    title, sentence : str
        The state, and the verdict in a sentence.
    look : str
        "good", "partial" or "bad".
    figures : tuple of Figure
    facts : tuple of tuple
        Label and text of each further fact.
    warnings : tuple of str
        Why times are doubtful.
    """

    title: str
    sentence: str
    look: str
    figures: tuple[Figure, ...]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def headline(report: Mapping[str, Any], comparison: Comparison) -> Headline:
    """Summarise a report.

    Parameters
    ----------
    report : mapping
        As in ``benchmark.json``.
    comparison : Comparison
    """
    verdict = report["verdict"]
    state = State(verdict["state"])
    doubts = tuple(warnings(report))
    return Headline(
        _TITLES[state],
        told_sentence(verdict["sentence"]),
        _CLASSES[state],
        tuple(_figures(report, comparison, _DOUBTED if doubts else "")),
        tuple(_facts(report)),
        doubts,
    )


def _figures(report: Mapping[str, Any], comparison: Comparison, doubt: str) -> Iterator[Figure]:
    verdict = report["verdict"]
    if "images" in verdict:
        total = verdict["images"]
        word = "image" if total == 1 else "images"
        yield Figure(f"{verdict['processed']:,}", f"of {total:,} {word} made")
        failed = verdict["failed"]
        look = "" if not failed else "bad" if verdict["state"] == State.FAILURE else "partial"
        yield Figure(f"{failed:,}", "images failed" if failed != 1 else "image failed", (), look)
    if sizes := report.get("sizes", []):
        yield _saved(sizes)
    if comparison.best():
        yield _best(comparison, doubt)
    elif len(comparison.rows) == 1:
        yield _only(comparison, doubt)


def _saved(sizes: Sequence[Mapping[str, Any]]) -> Figure:
    before = sum(entry["bytes_in"] for entry in sizes)
    after = sum(entry["bytes_out"] for entry in sizes)
    share = 100 * (before - after) / max(before, 1)
    word = "smaller" if share >= 0 else "larger"
    if len(sizes) == 1:
        return Figure(f"{abs(share):.0f} %", word, (told_change(before, after),))
    notes = tuple(
        f"{_name(entry, sizes)}: {told_change(entry['bytes_in'], entry['bytes_out'])}"
        for entry in sizes[:_MOST_NAMED]
    )
    return Figure(f"{abs(share):.0f} %", f"{word} on average", notes)


def _only(comparison: Comparison, doubt: str) -> Figure:
    """Tell the throughput of the only engine."""
    (row,) = comparison.rows
    speed = row.images_per_second
    notes = ("" if comparison.measured else "start-up included", doubt)
    label = f"images per second: {_told_workers(row)}"
    return Figure(f"{speed:,.{digits_of(speed)}f}", label, tuple(filter(None, notes)), _look(doubt))


def _best(comparison: Comparison, doubt: str) -> Figure:
    """Tell the fastest engine of each recipe, or that none was faster than the baseline."""
    best = comparison.best()
    names = [vars(row) for row in best]
    fastest = max(best, key=lambda row: row.speedup or 0)
    baseline = "a plain loop" if comparison.measured else BASELINE
    notes = []
    for row in best[:_MOST_NAMED]:
        name = f"{_name(vars(row), names)}: {row.name} {row.speedup:.2f}x" if len(best) > 1 else ""
        notes.append(f"{name} {_told_interval(row)}".strip())
        if len(best) == 1 and (others := comparison.nearly(row)):
            told_others = ", ".join(f"{one.name} {one.speedup:.2f}x" for one in others)
            notes.append(f"about as fast: {told_others}")
    if not comparison.measured:
        notes.append("single passes, no intervals" if len(best) > 1 else "one pass, no interval")
    told = tuple(filter(None, [*notes, doubt]))
    if (fastest.speedup or 0) < 1:
        return Figure("None", f"of the engines was faster than {baseline}", told, _look(doubt))
    label = f"the speed of {baseline}: {_told_workers(fastest)}"
    return Figure(f"{fastest.speedup:.2f}x", label, told, _look(doubt))


def _look(doubt: str) -> str:
    """Return the class of a figure that may be wrong."""
    return "partial" if doubt else ""


def _told_interval(row: ComparedRow) -> str:
    if row.turn_low is not None and row.turn_high is not None:
        return f"({row.turn_low:.2f} to {row.turn_high:.2f})"
    return ""


def told_sentence(sentence: str) -> str:
    """Return a verdict without its state, which the title tells.

    Examples
    --------
    >>> told_sentence("Success with failures: 9 of 10 images processed; 1 failed: 1 truncated.")
    '9 of 10 images processed; 1 failed: 1 truncated.'
    """
    state, _, rest = sentence.partition(": ")
    return rest[:1].upper() + rest[1:] if rest and state in BEGINNINGS.values() else sentence


def _told_workers(row: ComparedRow) -> str:
    return f"{row.name} on {row.workers} worker{'s' * (row.workers != 1)}"


def told_change(before: int, after: int) -> str:
    """Tell sizes before and after.

    Examples
    --------
    >>> told_change(24_000_000, 11_000_000)
    '24.0 MB became 11.0 MB'
    """
    return f"{size(before)} became {size(after)}"


def _name(entry: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> str:
    """Return the recipe, with the dataset if there are several."""
    several = len({other["dataset"] for other in others}) > 1
    return f"{entry['dataset']} · {entry['recipe']}" if several else str(entry["recipe"])


def _facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if report.get("created"):
        yield "Written", told_time(report["created"])
        started = [e["started"] for e in report.get("conditions", ()) if "started" in e]
        if started:
            zone = datetime.fromisoformat(report["created"]).tzinfo
            yield "Processed", told_time(datetime.fromtimestamp(max(started), zone).isoformat())
    machine = report["machine"]
    cores = f"{machine['cores']} core{'s' * (machine['cores'] != 1)}"
    told = [f"{machine['processor']}", cores, f"{machine['memory_gib']} GiB", machine["system"]]
    yield "Machine", ", ".join([*([machine["host"]] if machine.get("host") else []), *told])
    version = report["software"].get("pixelmill")
    if version:
        commit = f", commit {report['commit']}" if report.get("commit") else ""
        yield "Version", f"pixelmill {version}{commit}"
    if conditions := report.get("conditions"):
        yield "Load", told_load(conditions)


def told_time(text: str) -> str:
    """Write a date and time with its zone.

    Examples
    --------
    >>> told_time("2026-11-05T09:03:00+01:00"), told_time("2026-11-05T09:03:00+00:00")
    ('5 November 2026, 09:03 (UTC+01:00)', '5 November 2026, 09:03 (UTC)')
    """
    when = datetime.fromisoformat(text)
    zone = when.strftime("%z")
    offset = "" if not zone or set(zone) <= set("+-0") else f"{zone[:3]}:{zone[3:5]}"
    return f"{when.day} {when:%B %Y, %H:%M} (UTC{offset})"


def told_load(conditions: Iterable[Mapping[str, Any]]) -> str:
    """Tell the load of the machine before and after the passes, and what others used.

    Examples
    --------
    >>> told_load([{"load_before": 0.1, "load_after": 1.9, "other_cores": 0.03, "steal": 0.0}])
    '0.1 before the passes, 1.9 after them; other processes used at most 0.03 cores'
    """
    entries = list(conditions)
    parts = []
    before = [entry["load_before"] for entry in entries if "load_before" in entry]
    after = [entry["load_after"] for entry in entries if "load_after" in entry]
    if before and after:
        parts.append(f"{_span(before)} before the passes, {_span(after)} after them")
    if others := [entry["other_cores"] for entry in entries if "other_cores" in entry]:
        parts.append(f"other processes used at most {max(others):.2g} cores")
    stolen = max((entry.get("steal", 0.0) for entry in entries), default=0.0)
    if round(stolen, 3) > 0:
        parts.append(f"up to {100 * stolen:.1f} % of the time went to other virtual machines")
    return "; ".join(parts) or "not told by this system"


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"


def warnings(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield why the times of a report are doubtful, a sentence for each cause.

    Examples
    --------
    >>> conditions = [{"dataset": "a", "recipe": "b", "engine": "threads", "other_cores": 0.9}]
    >>> next(warnings({"machine": {"cores": 2}, "conditions": conditions}))  # doctest: +ELLIPSIS
    'The machine was busy: other processes used 0.9 of 2 cores during a/b/threads. ...
    """
    cores = report["machine"]["cores"]
    conditions = report.get("conditions", [])
    doubtful = "Times and speedups are not reliable; repeat the run on an idle machine."
    limit = max(OTHERS_CORES, OTHERS_SHARE * cores)
    busy = [entry for entry in conditions if entry.get("other_cores", 0.0) > limit]
    if busy:
        worst = max(busy, key=lambda entry: entry["other_cores"])
        yield (
            f"The machine was busy: other processes used {worst['other_cores']:.1f} of {cores} "
            f"cores during {_place(worst)}{_others(busy)}. {doubtful}"
        )
    nothing: Mapping[str, Any] = {}
    first = min(conditions, key=lambda entry: entry.get("started", 0.0), default=nothing)
    load = first.get("load_before", 0.0)
    if not any("other_cores" in entry for entry in conditions) and load > LOAD_SHARE * cores:
        yield (
            f"The machine may have been busy: the load average was {load:.1f} on {cores} cores "
            f"before {_place(first)} began. {doubtful}"
        )
    stolen = [entry for entry in conditions if entry.get("steal", 0.0) > STEAL]
    if stolen:
        worst = max(stolen, key=lambda entry: entry["steal"])
        yield (
            f"The virtual machine did not have its cores for itself: {100 * worst['steal']:.0f} % "
            f"of their time went to others during {_place(worst)}{_others(stolen)}. {doubtful}"
        )


def _place(entry: Mapping[str, Any]) -> str:
    return f"{entry['dataset']}/{entry['recipe']}/{entry['engine']}"


def _others(entries: list[Any]) -> str:
    more = len(entries) - 1
    return "" if not more else f", and less in {more} other pass{'es' * (more > 1)}"
