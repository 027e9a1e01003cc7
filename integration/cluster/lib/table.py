"""Figures as a small table for people and as JSON for later."""
import json
import os
import platform
import sys
import time


def percentile(values, share):
    """The value below which that share lies; None of nothing."""
    ordered = sorted(values)
    return ordered[round((len(ordered) - 1) * share)] if ordered else None


class Report:
    """What a program found. A goal missed is marked; only what must hold makes the program fail."""

    def __init__(self, name, settings):
        self.name, self.settings, self.rows = name, settings, []
        self.began = time.strftime("%Y-%m-%d %H:%M:%S")

    def note(self, what, value, unit="", goal=None, must=False):
        """A figure; `goal` is the most it may be, or the exact text it must be."""
        met = None if goal is None else value is not None and (value == goal if isinstance(goal, str) else value <= goal)
        value = round(value, 3) if isinstance(value, float) else value
        self.rows.append({"figure": what, "value": value, "unit": unit, "goal": goal, "met": met, "must": must})

    def times(self, what, milliseconds, p50=None, p99=None):
        self.note(f"{what}, p50", percentile(milliseconds, 0.50), "ms", p50)
        self.note(f"{what}, p99", percentile(milliseconds, 0.99), "ms", p99)
        self.note(f"{what}, worst", max(milliseconds, default=None), "ms")

    def text(self):
        lines = [["figure", "value", "goal", ""]]
        for row in self.rows:
            mark = {None: "", True: "ok", False: "FAILED" if row["must"] else "over"}[row["met"]]
            value, goal = (show(row[key], row["unit"]) for key in ("value", "goal"))
            lines.append([row["figure"], value, goal, mark])
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)

    def finish(self, folder=None):
        """Prints the table, writes NAME-TIME.json into the folder, and returns the exit status."""
        print(f"\n{self.name} {self.settings}\n\n{self.text()}")
        if folder:
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, f"{self.name}-{self.began.replace(':', '').replace(' ', '-')}.json")
            with open(path, "w") as out:
                json.dump(self.document(), out, indent=1)
                out.write("\n")
            print(f"\nwritten to {path}")
        return int(any(row["met"] is False and row["must"] for row in self.rows))

    def document(self):
        machine = {"cores": os.cpu_count(), "kernel": platform.release()}
        return {"program": self.name, "command": " ".join(sys.argv), "began": self.began, "machine": machine,
                "settings": self.settings, "figures": self.rows}


def show(value, unit=""):
    if value is None:
        return ""
    text = f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return f"{text} {unit}".strip()
