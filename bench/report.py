# SPDX-License-Identifier: Apache-2.0
"""The table on the screen, the same as JSON, and as one plot per group (SVG, without a library)."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
from xml.sax.saxutils import escape

US = "ringway"


class Result:
    """One peer's samples of one row."""

    def __init__(self):
        self.samples, self.notes, self.failure = [], [], None

    def add(self, sample):
        self.samples.append(sample.value)
        self.notes.append(sample.note)

    @property
    def median(self):
        return statistics.median(self.samples) if self.samples else None

    def tree(self):
        tree = {"samples": self.samples, "notes": self.notes}
        if self.samples:
            tree |= {"median": self.median, "min": min(self.samples), "max": max(self.samples)}
        if self.failure:
            tree["failure"] = self.failure
        return tree


def ratio(row, us, them):
    """How much better we are: above 1 always means better."""
    if not us or not them:
        return None
    return us / them if row.more_is_better else them / us


def first_line(path, prefix=""):
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() if prefix else line for line in lines if line.startswith(prefix)), "")


def machine():
    top = pathlib.Path(__file__).resolve().parent
    commit = subprocess.run(["git", "-C", top, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


class Table:
    def __init__(self, options):
        self.groups = {}  # name: title and entries
        self.top = {"machine": machine(), "rounds": options.rounds, "seconds": options.seconds}
        m = self.top["machine"]
        print(f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}, {m['commit']}; load before {m['load_before']:.2f}")
        if m["load_before"] > 0.5:
            print("The machine is not idle: figures are not worth much.")

    def add(self, name, title, row, results):
        self.groups.setdefault(name, (title, []))[1].append((row, results))
        us = results.get(US, Result()).median
        print(f"{row.title} ({row.unit}, {'more' if row.more_is_better else 'less'} is better)")
        for name, r in results.items():
            if r.median is None:
                print(f"  {name:16} {'-':>10}  {r.failure}", flush=True)
                continue
            better = ratio(row, us, r.median)
            shown = f"x{better:.2f}" if better and name != US else ""
            print(f"  {name:16} {r.median:10.3f}  [{min(r.samples):.3f} - {max(r.samples):.3f}] {shown:>8}  {r.notes[-1]}",
                  flush=True)

    def tree(self):
        rows = []
        for title, entries in self.groups.values():
            for row, results in entries:
                us = results.get(US, Result()).median
                rows.append({
                    "group": title, "key": row.key, "title": row.title, "unit": row.unit,
                    "more_is_better": row.more_is_better,
                    "peers": {n: {**r.tree(), "ratio": ratio(row, us, r.median)} for n, r in results.items()},
                })
        return {**self.top, "rows": rows}

    def write(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "bench.json").write_text(json.dumps(self.tree(), indent=1) + "\n")
        names = []
        for name, (title, entries) in self.groups.items():
            path = directory / f"{name}.svg"
            path.write_text(plot(title, entries, self.top["machine"]))
            names.append(path.name)
        print(f"\nwritten to {directory}: bench.json {' '.join(names)}")


# The plot: a panel per row, a bar per peer, whiskers from the lowest to the highest sample

BAR, GAP, LEFT, WIDTH, RIGHT = 18, 22, 150, 420, 190
COLOURS = {US: "#0b6e4f"}
OTHERS = "#9aa5b1"


def bar(y, name, result, scale, us, row):
    if result.median is None:
        return f'<text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">{escape(name)}</text>' \
               f'<text x="{LEFT + 4}" y="{y + 13}" fill="#777">{escape(result.failure or "")}</text>'
    low, mid, high = (LEFT + v * scale for v in (min(result.samples), result.median, max(result.samples)))
    better = ratio(row, us, result.median)
    label = f"{result.median:.3g}" + (f"  (x{better:.2f})" if better and name != US else "")
    return (
        f'<text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{max(mid - LEFT, 1):.1f}" height="{BAR - 3}" fill="{COLOURS.get(name, OTHERS)}"/>'
        f'<path d="M{low:.1f} {y + 7}H{high:.1f}M{low:.1f} {y + 3}v8M{high:.1f} {y + 3}v8" stroke="#222"/>'
        f'<text x="{high + 6:.1f}" y="{y + 13}">{label}</text>'
    )


def plot(title, entries, about):
    y, parts = 60, []
    for row, results in entries:
        highest = max((max(r.samples) for r in results.values() if r.samples), default=0) or 1
        us = results.get(US, Result()).median
        note = "" if row.more_is_better else ", less is better"
        parts.append(f'<text x="{LEFT}" y="{y}" font-weight="bold">{escape(row.title)}, {escape(row.unit)}{note}</text>')
        y += 6
        for name, result in results.items():
            parts.append(bar(y, name, result, WIDTH / highest, us, row))
            y += BAR
        y += GAP
    head = f"{about['cpu']}, {about['date'][:10]}, {about['commit']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{y}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="#fff"/><text x="10" y="20" font-size="15">{escape(title)}</text>'
        f'<text x="10" y="37" fill="#555">{escape(head)}. Bars: median; whiskers: lowest and highest; x: Ringway against it.'
        f"</text>{''.join(parts)}</svg>\n"
    )
