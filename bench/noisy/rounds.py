#!/usr/bin/env python3
"""The table of one run, or of the rounds of several together: rounds.py bench/results/noisy-*.json"""
import json
import statistics
import sys

GOAL = 1.2  # p99 beside the neighbour over p99 alone
LOADS = ("plain", "tls")


def markdown(rows):
    lines = ["| neighbour | tenancy | victim | rounds | p50 alone | p50 beside | p99 alone | p99 beside | ratio | half of the rounds | "
             "errors | neighbour: answered, denied |", "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    for row in rows:
        got = {key: sum(one[key] for each in row["rounds"] for one in each["noise"].values()) for key in ("answered", "denied")}
        for load in LOADS:
            alone, beside = (usual(row, where, load) for where in ("alone", "beside"))
            low, ratio, high = ratios(row, load)
            over = " over" if row["mode"] == "tenancy" and ratio > GOAL else ""
            lines.append(f"| {row['kind']} | {'yes' if row['mode'] == 'tenancy' else 'no'} | {load} | {len(row['rounds'])} | "
                         f"{alone['p50']} µs | {beside['p50']} µs | {alone['p99']} µs | {beside['p99']} µs | "
                         f"{ratio:.2f}{over} | {low:.2f} to {high:.2f} | {errors(row, load)} | {got['answered']}, {got['denied']} |")
    return "\n".join(lines)


def usual(row, where, load):
    """The medians of the rounds."""
    return {key: round(statistics.median(each[where][load][key] for each in row["rounds"])) for key in ("p50", "p99")}


def ratios(row, load):
    """The p99 beside the neighbour over that alone just before: quartiles of the rounds. The machine's mood changes from round to
    round, so a round is compared with itself only."""
    found = [each["beside"][load]["p99"] / max(each["alone"][load]["p99"], 1) for each in row["rounds"]]
    return statistics.quantiles(found, n=4, method="inclusive") if len(found) > 1 else found * 3


def errors(row, load):
    return sum(each["beside"][load]["errors"] for each in row["rounds"])


def pooled(files):
    """The rounds of several runs, in the order of the first."""
    rows = {}
    for file in files:
        with open(file) as text:
            for row in json.load(text)["rows"]:
                rows.setdefault((row["mode"], row["kind"]), {**row, "rounds": []})["rounds"] += row["rounds"]
    return list(rows.values())


if __name__ == "__main__":
    print(markdown(pooled(sys.argv[1:])))
