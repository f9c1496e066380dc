"""Draws the figures of a report as SVG that stands inside the page; no file, no network."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, BLUE, RED, GREY = "#1b2733", "#1f5f99", "#b3372f", "#8a97a3"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "radnode",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "text.color": INK,
}
"""With a fixed salt the same figures give the same bytes."""
COLUMNS = 4


def _svg(figure: Figure) -> str:
    """Write a figure as an <svg> element."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def forest(title: str, rows: Mapping[str, Mapping[str, Any]], label: str) -> str:
    """Draw a figure from 0 to 1 with its interval for each row; rows without one are left out.

    Args:
        title: of the plot.
        rows: name to `value`, `low`, `high`.
        label: of the axis.
    """
    known = {name: one for name, one in rows.items() if one.get("value") is not None}
    if not known:
        return ""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.9 + 0.26 * len(known)), layout="constrained")
        axes = figure.subplots()
        for place, one in enumerate(known.values()):
            if one.get("low") is not None:
                axes.plot([one["low"], one["high"]], [place, place], color=BLUE, lw=2)
            axes.plot(one["value"], place, "o", color=BLUE, ms=5)
        axes.set_yticks(range(len(known)), list(known))
        axes.invert_yaxis()
        axes.set_xlim(0.0, 1.02)
        axes.set_xlabel(label)
        axes.set_title(title, loc="left")
        axes.grid(axis="x", color="#e4e9ee")
        return _svg(figure)


def agreement(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw Bland and Altman's plot for each segment that has limits."""
    known = {name: one for name, one in rows.items() if "bias" in one}
    if not known:
        return ""
    with mpl.rc_context(STYLE):
        figure, grid = _grid(len(known))
        for axes, (name, one) in zip(grid, known.items(), strict=False):
            means, differences = zip(*one["points"], strict=True)
            axes.plot(means, differences, "o", color=BLUE, ms=4)
            for key, colour, line in (
                ("bias", INK, "-"),
                ("lower", RED, "--"),
                ("upper", RED, "--"),
            ):
                if key in one:
                    axes.axhline(one[key], color=colour, ls=line, lw=1)
            axes.set_title(name, loc="left", fontsize=9)
            axes.set_xlabel("mean, mL", fontsize=8)
            axes.set_ylabel("found - reference, mL", fontsize=8)
        return _svg(figure)


def reliability(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw ROC curve and reliability plot for each class."""
    known = {name: one for name, one in rows.items() if one.get("reliability")}
    if not known:
        return ""
    with mpl.rc_context(STYLE):
        figure, grid = _grid(2 * len(known), columns=2)
        for number, (name, one) in enumerate(known.items()):
            left, right = grid[2 * number], grid[2 * number + 1]
            _diagonal(left, f"{name}: ROC", ("1 - specificity", "sensitivity"))
            left.plot(one["roc"]["false_positive"], one["roc"]["true_positive"], color=BLUE)
            _diagonal(right, f"{name}: reliability", ("probability", "observed"))
            places = [bin_["probability"] for bin_ in one["reliability"]]
            seen = [bin_["observed"] for bin_ in one["reliability"]]
            sizes = [20 + 3 * bin_["cases"] for bin_ in one["reliability"]]
            right.plot(places, seen, color=BLUE, lw=1)
            right.scatter(places, seen, s=sizes, color=BLUE, zorder=3)
        return _svg(figure)


def decision(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw the decision curve of each class."""
    known = {k: one for k, one in rows.items() if isinstance(one, Mapping) and "threshold" in one}
    if not known:
        return ""
    with mpl.rc_context(STYLE):
        figure, grid = _grid(len(known), columns=2)
        for axes, (name, one) in zip(grid, known.items(), strict=False):
            for key, colour in (("model", BLUE), ("all", GREY), ("none", INK)):
                line = [v if v is not None else float("nan") for v in one[key]]
                axes.plot(one["threshold"], line, color=colour, label=key)
            top = max((v for v in one["model"] if v is not None), default=0.1)
            axes.set_ylim(-0.05 - 0.1 * top, 1.2 * max(top, 0.05))
            axes.set_title(f"{name}: net benefit", loc="left", fontsize=9)
            axes.set_xlabel("threshold probability", fontsize=8)
            axes.legend(frameon=False, fontsize=8)
        return _svg(figure)


def perturbed(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw what is kept under each perturbation: mean and worst Dice, or decisions."""
    bars = []
    for one in rows:
        dice = one.get("dice_to_unperturbed", {})
        value = dice.get("mean", one.get("decisions_kept"))
        bars.append((f"{one['family']}: {one['what']}", value, dice.get("worst")))
    bars = [bar for bar in bars if bar[1] is not None]
    if not bars:
        return ""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.9 + 0.24 * len(bars)), layout="constrained")
        axes = figure.subplots()
        axes.barh(range(len(bars)), [bar[1] for bar in bars], color=BLUE, height=0.6)
        worst = [(place, bar[2]) for place, bar in enumerate(bars) if bar[2] is not None]
        axes.plot([one[1] for one in worst], [one[0] for one in worst], "|", color=RED, ms=10)
        axes.set_yticks(range(len(bars)), [bar[0] for bar in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("kept of the unperturbed outcome (bar: mean; red: worst segment)")
        return _svg(figure)


def _grid(count: int, columns: int = COLUMNS) -> tuple[Figure, list[Axes]]:
    columns = min(columns, count)
    rows = -(-count // columns)
    width = 3.4 if columns < COLUMNS else 2.4
    figure = Figure(figsize=(width * columns, 2.3 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for empty in grid[count:]:
        empty.set_visible(False)
    return figure, grid


def _diagonal(axes: Axes, title: str, labels: tuple[str, str]) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel(labels[0], fontsize=8)
    axes.set_ylabel(labels[1], fontsize=8)
