"""Prometheus' text format, and where Paifang's pods serve it."""
import re

LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Samples:
    """One scrape."""

    def __init__(self, text):
        self.lines = []
        for line in text.splitlines():
            if found := LINE.match(line):
                name, labels, value = found.groups()
                self.lines.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def total(self, name, **labels):
        """Sum over every series with these labels; 0 when there is none, as a counter that nothing has touched."""
        return sum(value for found, have, value in self.lines
                   if found == name and all(have.get(key) == wanted for key, wanted in labels.items()))


def difference(before, after, name, **labels):
    """By how much a counter grew from one scrape to another, over pods that were there both times."""
    return sum(after[pod].total(name, **labels) - before[pod].total(name, **labels) for pod in after if pod in before)
