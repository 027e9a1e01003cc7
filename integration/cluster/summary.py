#!/usr/bin/env python3
"""Says what a run of the conformance suite came to: why tests failed, and how many passed.

    summary.py LOG REPORT.yaml CLAIMED.txt PROFILES [one]

It fails when a test failed or was skipped, and when the features that the GatewayClass claims are not the ones that were
judged. Tests of features that nobody claims are no part of the run, and counted apart. "one": a single test was asked for.
"""
import os
import re
import sys

CORE = {
    "GATEWAY-HTTP": {"Gateway", "ReferenceGrant", "HTTPRoute"},
    "GATEWAY-GRPC": {"Gateway", "ReferenceGrant", "GRPCRoute"},
    "GATEWAY-TLS": {"Gateway", "ReferenceGrant", "TLSRoute"},
    "GATEWAY-TCP": {"Gateway", "ReferenceGrant", "TCPRoute"},
    "GATEWAY-UDP": {"Gateway", "ReferenceGrant", "UDPRoute"},
}
# Features that are in no profile, so that no report names them, and the test that each has.
UNREPORTED = {
    "GRPCRouteNamedRouteRule": "GRPCRouteNamedRule",
    "GRPCRouteRequestHeaderModifier": "GRPCRouteRequestHeaderModifier",
}
RESULT = re.compile(r"^    --- (PASS|FAIL|SKIP): TestConformance/([^/ ]+) \(")
HEADING = re.compile(r"^=== (?:RUN|NAME|CONT|PAUSE)\s+(\S+)")
FAILURE = re.compile(r"^\s*--- FAIL: (\S+) \(")
UNCLAIMED = re.compile(r"Skipping (\S+): suite does not support (\S+)")


def top(test):
    """TestConformance/Name/sub → Name."""
    return (test.split("/") + [""])[1]


def outcomes(lines):
    """{test: PASS, FAIL or SKIP}, and the tests that were left out because nobody claims their feature."""
    results = {found[2]: found[1] for found in map(RESULT.match, lines) if found}
    unclaimed = {found[1] for found in map(UNCLAIMED.search, lines) if found}
    return {test: result for test, result in results.items() if not (result == "SKIP" and test in unclaimed)}, unclaimed


def assertion(lines, at):
    """The block of an assertion that begins at "Error Trace:": its test and what it says."""
    test, told, key = "", [], None
    for line in lines[at + 1 : at + 80]:
        found = re.match(r"^\s+(Error|Messages|Test):\s*(.*)$", line)
        if found:
            key = found[1]
            if key == "Test":
                test = found[2].strip()
            elif found[2].strip():
                told.append(found[2].strip())
        elif key in ("Error", "Messages") and re.match(r"^\s+\t\s{6,}\S", line):
            told.append(line.strip())
        elif key:
            break
    return test, told


def reasons(lines):
    """{test: sentences about why it failed}; "" stands for the suite itself."""
    asserted, last, failed, current = {}, {}, [], ""
    for at, line in enumerate(lines):
        heading, failure = HEADING.match(line), FAILURE.match(line)
        if heading:
            current = heading[1]
        elif failure:
            failed.append(failure[1])
        elif line.strip().startswith("Error Trace:"):
            test, told = assertion(lines, at)
            told = [text for text in told if text != "Received unexpected error:"]
            asserted.setdefault(test, []).append(": ".join(told[:6]))
        elif line.startswith("panic:"):
            asserted.setdefault("TestConformance", []).append(line.strip())
        elif re.match(r"^\s+\w+\.go:\d+: ", line):
            last[current] = [*last.get(current, []), line.strip()][-2:]
    # not every failure is an assertion: else, the last two things that the innermost test that failed said
    innermost = [test for test in failed if not any(other.startswith(test + "/") for other in failed)]
    found = {}
    for test in [*asserted, *(test for test in innermost if test not in asserted)]:
        for sentence in asserted.get(test) or last.get(test, ["no reason given"]):
            found.setdefault(top(test), []).append(f"{test.removeprefix('TestConformance/')}: {sentence}")
    return found


def shortened(sentence):
    """Requests are spelled out at length; what is wrong with them stands at the end."""
    return sentence if len(sentence) <= 1000 else f"{sentence[:300]} … {sentence[-700:]}"


def reported(path):
    """The extended features that the report says were judged. A reader for these lists only, not for YAML."""
    features, indent = set(), None
    if not os.path.exists(path):
        return features
    with open(path, encoding="utf-8") as text:
        for line in text:
            item = re.match(r"^(\s*)- (\w+)$", line)
            if line.strip() == "supportedFeatures:":
                indent = len(line) - len(line.lstrip())
            elif indent is not None and item and len(item[1]) >= indent:
                features.add(item[2])
            else:
                indent = None
    return features


def unproven(claimed, judged, profiles, results):
    """Sentences about claims that this run does not prove, and what it proves without a claim."""
    core = set().union(*(CORE[profile] for profile in profiles))
    for feature in sorted(core - claimed):
        yield f"{feature} is core, but the GatewayClass does not claim it"
    for feature in sorted(judged - claimed):
        yield f"{feature} was judged, but the GatewayClass does not claim it"
    for feature in sorted(claimed - core - judged):
        if results.get(UNREPORTED.get(feature, "")) != "PASS":
            yield f"{feature} is claimed, but no test of this run judged it"


def main(log, report, claimed, profiles, one=""):
    with open(log, encoding="utf-8", errors="replace") as text:
        lines = text.read().splitlines()
    with open(claimed, encoding="utf-8") as text:
        claimed = set(text.read().split())
    results, unclaimed = outcomes(lines)
    why = reasons(lines)
    if one:
        results = {test: result for test, result in results.items() if result != "SKIP"}
    problems = []
    for test, result in sorted(results.items()):
        if result == "FAIL":
            problems += [f"FAIL {test}"] + [f"     {shortened(sentence)}" for sentence in why.get(test, [])[:5]]
        elif result == "SKIP":
            problems.append(f"SKIP {test}, though its features are claimed")
    # its set-up or clean-up may fail without a test that does, and it may not come to its end at all
    if not problems and not any(line.startswith("--- PASS: TestConformance ") for line in lines):
        problems += ["FAIL the suite itself"] + [f"     {shortened(sentence)}" for sentence in why.get("", [])[-5:]]
    if results and not one:
        problems += [f"CLAIM {sentence}" for sentence in unproven(claimed, reported(report), profiles.split(","), results)]
    for line in problems:
        print(line)
    count = {result: list(results.values()).count(result) for result in ("PASS", "FAIL", "SKIP")}
    if unclaimed and not one:
        print(f"{len(unclaimed)} tests are of features that the GatewayClass does not claim")
    print(f"{count['PASS']} passed, {count['FAIL']} failed, {count['SKIP']} skipped")
    sys.exit(bool(problems))


main(*sys.argv[1:])
