#!/usr/bin/env python3
"""Results of run.py as Markdown tables: report.py FILE..."""
import json
import sys
from statistics import median

from scenarios import SCENARIOS

BASES = ("bare", "nginx")


class Rows:
    """The samples of one document, by scenario and proxy."""

    def __init__(self, samples):
        self.by_key = {(s["scenario"], s["proxy"], s["round"]): s for s in samples}
        self.scenarios = [name for name in SCENARIOS if any(s["scenario"] == name for s in samples)]
        self.proxies = list(dict.fromkeys(s["proxy"] for s in samples))

    def of(self, scenario, proxy, key):
        """Figures of one kind, by round."""
        return {number: s[key] for (name, who, number), s in self.by_key.items()
                if name == scenario and who == proxy and key in s}

    def paired(self, scenario, proxy, other, combine, key="cpu"):
        """Median over rounds of a figure combined with another proxy's or scenario's of the same round."""
        mine, theirs = self.of(scenario, proxy, key), self.of(*other, key)
        values = [combine(mine[n], theirs[n]) for n in mine if theirs.get(n)]
        return median(values) if values else None


def table(head, rows):
    return "\n".join("|" + "|".join(line) + "|" for line in [head, ["---"] * len(head), *rows]) + "\n"


def show(value, form):
    return "" if value is None else format(value, form)


def middle(figures, form, scale=1):
    return show(median(figures.values()) * scale if figures else None, form)


def load_table(rows, scenario):
    head = ["proxy", "n", "CPU µs/request", "best", *(f"÷ {base}" for base in BASES)]
    against_h1 = bool(SCENARIOS[scenario].table.hosts)
    head += ["over own h1, µs"] if against_h1 else []
    head += ["requests/s", "best", "p50 µs", "p99 µs", "PSS MiB", "core", "load core", "foreign", "errors"]
    lines = []
    for proxy in rows.proxies:
        of = lambda key: rows.of(scenario, proxy, key)
        cpu, rate = of("cpu"), of("rate")
        if not cpu:
            continue
        line = [proxy, str(len(cpu)), middle(cpu, ".1f"), f"{min(cpu.values()):.1f}"]
        line += [show(rows.paired(scenario, proxy, (scenario, base), lambda a, b: a / b), ".2f") for base in BASES]
        if against_h1:
            line.append(show(rows.paired(scenario, proxy, ("h1", proxy), lambda a, b: a - b), "+.1f"))
        line += [middle(rate, ",.0f"), f"{max(rate.values()):,.0f}", middle(of("p50"), ",.0f"), middle(of("p99"), ",.0f"),
                 f"{max(of('pss').values()):.1f}", middle(of("core"), ".0%"), middle(of("load_core"), ".0%"),
                 middle(of("foreign"), ".0%"), str(sum(of("errors").values()))]
        lines.append(line)
    return table(head, lines)


def start_table(rows, scenario):
    lines = []
    for proxy in rows.proxies:
        ready, cpu, pss = (rows.of(scenario, proxy, key) for key in ("ready", "cpu", "pss"))
        if ready:
            lines.append([proxy, str(len(ready)), middle(ready, ".3f"), f"{min(ready.values()):.3f}", middle(cpu, ".2f"),
                          middle(pss, ".1f")])
    return table(["proxy", "n", "first 200 after, s", "best", "CPU, s", "PSS idle MiB"], lines)


def markdown(document):
    """One run as Markdown."""
    rows, machine = Rows(document["samples"]), document["machine"]
    out = [f"`{document['command']}`", "",
           f"{document['began']}, {machine['cores']} × {machine['cpu']}, Linux {machine['kernel']}; {document['rounds']} "
           f"rounds of {document['seconds']:g} s; medians, ratios paired within a round.", ""]
    for scenario in rows.scenarios:
        write = start_table if SCENARIOS[scenario].kind == "start" else load_table
        out += [f"### {scenario}: {SCENARIOS[scenario].title}", "", write(rows, scenario)]
    if any(SCENARIOS[name].tls for name in rows.scenarios):
        out += ["TLS as negotiated: " + "; ".join(f"{name} {', '.join(map(str, facts))}"
                                                  for name, facts in document["tls"].items()) + ".", ""]
    out += [f"Failed: {failure}" for failure in document["failures"]]
    return "\n".join(out)


if __name__ == "__main__":
    for path in sys.argv[1:] or sys.exit(__doc__):
        with open(path) as file:
            print(markdown(json.load(file)))
