"""A score as one page of HTML that needs nothing else: no script, no font, no request.

Labels and texts are a model's and strangers': every one of them is escaped, and the page forbids
itself whatever a browser might still take for more than text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from batch.labeling.compare import Comparison, Disagreement
from batch.labeling.metrics import ClassScore, Score, Share
from batch.wording import cut, shown

SHOWN: Final = 50  # disagreements
NONE: Final = "n/a"
_TEXT: Final = 600  # characters of a text
_NAME: Final = 60  # characters of a label or an id
_WIDEST: Final = 40  # labels of a matrix; of more it says nothing any more
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d232b; --soft: #5d6875; --line: #d9dee4; --page: #fff;
  --card: #f5f7f9; --good: 24 128 82; --bad: 196 69 54; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ed; --soft: #98a3b0; --line: #343c46;
  --page: #14181d; --card: #1c2229; --good: 64 178 124; --bad: 226 106 90; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 70rem; color: var(--ink);
  background: var(--page); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
p { color: var(--soft); margin: .5rem 0; } .tiles { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); margin: 1.5rem 0 .75rem; }
.tile { background: var(--card); border-radius: .5rem; padding: .75rem 1rem; }
.pair { display: flex; flex-wrap: wrap; gap: 0 4rem; } .pair section { max-width: 100%; }
.pair p { max-width: 24rem; }
.tile b { display: block; font-size: 1.6rem; font-weight: 600; line-height: 1.2; }
.tile span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } th[scope=row], .text { text-align: left; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; max-width: 40rem; }
.told { width: 100%; } .told td { vertical-align: top; }
small { color: var(--soft); display: block; } .heat td { min-width: 3.5rem; text-align: center;
  border: 2px solid var(--page); background: rgb(var(--bad) / var(--share)); }
.heat td.same { background: rgb(var(--good) / var(--share)); } .heat th { border: 0; }
.gate { display: inline-block; margin-top: .75rem; padding: .2rem .6rem; border-radius: 1rem;
  color: #fff; background: rgb(var(--good)); } .gate.failed { background: rgb(var(--bad)); }
"""


def page(title: str, found: Comparison, gates: Iterable[tuple[str, bool]] = ()) -> str:
    """Return the page. ``gates`` are demands in words, and whether each is met."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(shown(title))}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(shown(title))}</h1>",
        *_gates(gates),
        *_tiles(found),
        *_missing(found),
        '<div class="pair"><section><h2>Labels</h2>',
        *_classes(found.score),
        "</section><section>",
        *_matrix(found.score),
        "</section></div>",
        *_disagreements(found.disagreements),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def percent(value: float | None) -> str:
    """Return a rate as people write it."""
    return NONE if value is None else f"{100 * value:.1f} %"


def interval(share: Share) -> str:
    """Return the interval of a rate."""
    if share.low is None or share.high is None:
        return ""
    return f"{100 * share.low:.1f} to {100 * share.high:.1f}"


def _gates(gates: Iterable[tuple[str, bool]]) -> Iterator[str]:
    for words, met in gates:
        kind, verdict = ("gate", "met") if met else ("gate failed", "not met")
        yield f'<span class="{kind}">{escape(words)}: {verdict}</span>'


def _tiles(found: Comparison) -> Iterator[str]:
    score = found.score
    kappa = NONE if score.kappa is None else f"{score.kappa:.3f}"
    tiles = (
        (percent(score.accuracy.value), "accuracy", interval(score.accuracy)),
        (percent(found.coverage.value), "coverage", f"{score.pairs:,} of {found.gold:,} lines"),
        (kappa, "Cohen's kappa", "1: always agree, 0: as by chance"),
        (percent(score.macro.f1), "macro F1", f"micro {percent(score.micro.f1)}"),
    )
    yield '<div class="tiles">'
    for value, name, more in tiles:
        yield f'<div class="tile"><b>{value}</b>{name}<br><span>{more}</span></div>'
    yield "</div>"
    yield "<p>Intervals are Wilson's, at 95 %. Accuracy is of the lines that have a label.</p>"


def _missing(found: Comparison) -> Iterator[str]:
    if found.missing:
        reasons = ", ".join(f"{escape(why)} {count:,}" for why, count in found.missing.items())
        yield f"<p>Without a label: {reasons}.</p>"
    if found.strange:
        labels = ", ".join(f"{_name(one)} ({count:,})" for one, count in found.strange.items())
        yield f"<p>Labels of the gold file that this run could not give: {labels}.</p>"


def _classes(score: Score) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th class="text">label</th><th>gold</th><th>answered</th>'
    yield "<th>precision</th><th>recall</th><th>F1</th></tr>"
    for one in score.classes:
        yield _class(one)
    for name, mean in (
        ("macro", score.macro),
        ("micro", score.micro),
        ("weighted", score.weighted),
    ):
        rates = "".join(
            f"<td>{percent(rate)}</td>" for rate in (mean.precision, mean.recall, mean.f1)
        )
        yield f'<tr><th scope="row">{name}</th><td></td><td></td>{rates}</tr>'
    yield "</table></div>"


def _class(one: ClassScore) -> str:
    rates = "".join(
        f"<td>{percent(share.value)}<small>{interval(share)}</small></td>" for share in one.rates
    )
    head = f'<th scope="row">{_name(one.label)}</th>'
    return f"<tr>{head}<td>{one.support:,}</td><td>{one.answered:,}</td>{rates}</tr>"


def _matrix(score: Score) -> Iterator[str]:
    yield "<h2>What was answered for what</h2>"
    if len(score.labels) > _WIDEST:
        yield f"<p>With more than {_WIDEST} labels the table would say nothing.</p>"
        return
    yield "<p>Rows: what people say. Columns: what was answered. Color: share of the row.</p>"
    heads = "".join(f"<th>{_name(label)}</th>" for label in score.labels)
    yield f'<div class="wide"><table class="heat"><tr><th></th>{heads}</tr>'
    for place, (label, row) in enumerate(zip(score.labels, score.matrix, strict=True)):
        whole = sum(row) or 1
        cells = "".join(
            f"<td{' class=same' if column == place else ''} "
            f'style="--share:{0.85 * count / whole:.3f}">{count:,}</td>'
            for column, count in enumerate(row)
        )
        yield f'<tr><th scope="row">{_name(label)}</th>{cells}</tr>'
    yield "</table></div>"


def _disagreements(several: tuple[Disagreement, ...]) -> Iterator[str]:
    yield "<h2>Disagreements</h2>"
    if not several:
        yield "<p>There are none.</p>"
        return
    shown = several[:SHOWN]
    yield f"<p>{len(shown):,} of {len(several):,}; those that the run was surest of come first.</p>"
    yield '<div class="wide"><table class="told"><tr><th class="text">line</th>'
    yield '<th class="text">text</th>'
    yield '<th class="text">people</th><th class="text">run</th><th>votes for it</th></tr>'
    for one in shown:
        names = [f'<td class="text">{_name(name)}</td>' for name in (one.gold, one.label)]
        text = f'<td class="text" dir="auto">{escape(cut(one.text, _TEXT))}</td>'
        texts = "".join((f'<td class="text">{_name(one.custom_id)}</td>', text, *names))
        votes = "" if one.confidence is None else percent(one.confidence)
        yield f"<tr>{texts}<td>{votes}</td></tr>"
    yield "</table></div>"


def _name(text: str) -> str:
    """Return a label or an id as HTML: short, and with nothing that turns what stands beside it."""
    return f"<bdi>{escape(shown(text, _NAME))}</bdi>"
