"""Charts as SVG: drawn here, so that the page needs neither scripts nor the network.

The colors are the page's own variables, and so light or dark with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import pygal
from pygal.style import Style

# It puts a finder of plugins, of an outdated kind, into the way of every later import.
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__module__ != pygal.__name__]

Series: TypeAlias = Mapping[str, Sequence[float]]  # name → a value for each label

COLORS: Final = 8
WIDTH: Final = 960
HEIGHT: Final = 300
_LABELS: Final = 12  # so many fit below a chart


def stacked(labels: Sequence[str], series: Series, told: Callable[[float], str]) -> str:
    """Return stacked bars as an element of a page; ``told`` writes a value."""
    chart = pygal.StackedBar(
        style=_style(),
        js=(),
        show_legend=False,
        width=WIDTH,
        height=HEIGHT,
        margin=4,
        spacing=6,
        truncate_label=-1,
        show_minor_x_labels=False,
        x_labels_major_every=-(-len(labels) // _LABELS) or 1,
        max_scale=6,
        value_formatter=told,
        disable_xml_declaration=True,
        no_data_text="",
    )
    chart.add_xml_filter(_still)
    chart.x_labels = list(labels)
    for name, values in series.items():
        chart.add(name, [{"value": value, "label": name} if value else None for value in values])
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _style() -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        colors=tuple(f"var(--c{number})" for number in range(COLORS)),
        font_family="inherit",
        label_font_size=12,
        major_label_font_size=12,
        opacity="1",
        opacity_hover=".75",
        transition="0s",
    )


def _still(root: Any) -> Any:
    """Take scripts and comments out, and have the browser itself say what is under the pointer."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or _is(child, "script"):
                parent.remove(child)
        told = {child.get("class"): child for child in parent if _is(child, "desc")}
        if "value" in told:
            words = [told[name].text for name in ("label", "x_label", "value") if name in told]
            title = root.makeelement("title", {})
            title.text = ", ".join(word for word in words if word)
            parent.insert(0, title)
        for child in told.values():
            parent.remove(child)
    return root


def _is(element: Any, name: str) -> bool:
    """Return whether this is such an element; the tag of a comment is no text."""
    return isinstance(element.tag, str) and element.tag.rpartition("}")[2] == name
