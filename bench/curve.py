"""Curves of what is held over time, as text and as a picture."""

from collections.abc import Sequence

from bench.watch import Sample, thin

_STEPS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _MARGIN = 720, 220, 60
_STYLE = """\
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .axis { stroke: #8c959f; fill: none }
    .own { stroke: #0969da; stroke-width: 2; fill: none }
    .mapped { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 4 3; fill: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .own { stroke: #58a6ff }
    }"""


def sparkline(values: Sequence[float], n: int = 60) -> str:
    """Draw values from 0 to the largest as a line of characters."""
    step = max(1, len(values) // n)
    most = max(values) or 1
    return "".join(_STEPS[round(v / most * (len(_STEPS) - 1))] for v in values[::step])


def draw_curves(samples: Sequence[Sample]) -> str:
    """Draw own and mapped memory over the requests as SVG."""
    shown = thin(samples, 200)
    first, last = shown[0].requests, shown[-1].requests
    most = max(s.own_bytes + s.mapped_bytes for s in shown) * 1.1
    lines = []
    for name, text, below, values in (
        ("own", "of the processes alone", 70, [s.own_bytes for s in shown]),
        ("mapped", "with mapped files", -16, [s.own_bytes + s.mapped_bytes for s in shown]),
    ):
        ys = [_HEIGHT - v / most * _HEIGHT + 10 for v in values]
        xs = [_MARGIN + (s.requests - first) / (last - first) * _WIDTH for s in shown]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        middle = len(shown) // 2
        place = f'x="{xs[middle]:.0f}" y="{ys[middle] + below:.0f}" text-anchor="middle"'
        lines += [
            f'  <polyline class="{name}" points="{points}"/>',
            f"  <text {place}>{text}, {values[middle] / 1e6:.0f} MB</text>",
        ]
    title = "Memory of all processes of the gateway over the requests of the soak"
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + 2 * _MARGIN} {_HEIGHT + 50}" \
role="img" aria-labelledby="title">
  <title id="title">{title}</title>
  <style>
{_STYLE}
  </style>
  <path class="axis" d="M{_MARGIN} 10V{_HEIGHT + 10}H{_MARGIN + _WIDTH}"/>
{chr(10).join(lines)}
  <text x="{_MARGIN}" y="{_HEIGHT + 30}">{first:,} requests</text>
  <text x="{_MARGIN + _WIDTH}" y="{_HEIGHT + 30}" text-anchor="end">{last:,}</text>
</svg>
"""
