# Copyright (c) 2026 The IOVTee for Open vSwitch authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Writes results (runner.py) as text and JSON, has plot.py draw them, and
compares them with what is demanded."""

import json
import os
import platform
import time

import plot
import runner


def first_line(path, key):
    try:
        with open(path) as f:
            for line in f:
                if line.startswith(key):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


def machine():
    """What figures depend on besides our code."""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index3/size") as f:
            cache = f.read().strip()
    except OSError:
        cache = "unknown"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "processor": first_line("/proc/cpuinfo", "model name"),
        "MHz": first_line("/proc/cpuinfo", "cpu MHz"),
        "processors": os.cpu_count(),
        "L3 cache": cache,
        "memory": first_line("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
    }


def of_kind(results, kind):
    return [r for r in results if r["kind"] == kind]


def span(s, digits):
    if not s.get("n"):
        return "-"
    return "%.*f [%.*f %.*f]" % (digits, s["median"], digits, s["low"],
                                 digits, s["high"])


def lane_row(r):
    cycles = r["cycles"]
    zero = "-" if r["zero"] is None else "%.2f %%" % (100 * r["zero"])
    return [
        r["x"], r["lane"], r["title"], span(cycles, 0),
        "%.0f" % cycles["best"] if cycles["n"] else "-",
        "%d/%d" % (cycles["n"], r["windows"]), span(r["mpps"], 2),
        span(r["gbps"], 1), "%.2f" % r["busy"]["median"],
        "%.1f" % r["burst"]["median"], "%.0f" % r["idle"]["best"], zero,
        runner.reasons_text(r["lost"]) or "-",
        runner.reasons_text(r["invalid"]) or "-",
    ]


LANE_HEAD = ["x", "lane", "", "cycles/packet", "best", "valid", "Mpps",
             "Gbit/s", "busy", "burst", "idle", "zero-copied", "lost",
             "invalid"]


def table(rows):
    """Returns lines."""
    widths = [max(len(str(row[i])) for row in rows)
              for i in range(len(rows[0]))]
    return ["  ".join(str(cell).ljust(width)
                      for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def experiment_text(results):
    """Returns the lines about one experiment."""
    lanes = of_kind(results, "lane")
    lines = table([LANE_HEAD] + [lane_row(r) for r in lanes]) if lanes else []
    rows = [[r["figure"], runner.ratio_text(r)]
            for r in of_kind(results, "ratio")]
    rows += [["%s %s, %s" % (r["lane"], r["title"], r["x"]),
              runner.value_text(r)] for r in of_kind(results, "value")]
    rows += [["%s %s, %s (%d packets per second)" % (
        r["lane"], r["title"], r["x"], r["rate"]), runner.latency_text(r)]
        for r in of_kind(results, "latency")]
    rows += [[r["text"], "ok" if r["passed"] else "FAILED: " + r["why"]]
             for r in of_kind(results, "check")]
    rows += [["skipped", r["why"]] for r in of_kind(results, "skip")]
    if lines and rows:
        lines.append("")
    return lines + (table(rows) if rows else [])


def experiments(results):
    return list(dict.fromkeys(r["experiment"] for r in results))


def text(bench):
    lines = ["%s: %s" % item for item in machine().items()]
    lines += ["windows: %d of %d ms for each lane" % (bench.rounds, bench.ms)]
    lines += ["note: " + note for note in bench.notes]
    lines += ["", "Figures are medians [lower and upper quartile] of valid "
              "windows, ratios those of", "pairs of windows that followed "
              "each other; see Documentation/topics/benchmarks.rst."]
    for name in experiments(bench.results):
        lines += ["", name, "-" * len(name)]
        lines += experiment_text([r for r in bench.results
                                  if r["experiment"] == name])
    return "\n".join(lines) + "\n"


def write(bench, folder):
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/results.txt", "w") as f:
        f.write(text(bench))
    with open(folder + "/results.json", "w") as f:
        json.dump({"machine": machine(), "rounds": bench.rounds,
                   "ms": bench.ms, "notes": bench.notes,
                   "results": bench.results}, f, indent=1)
    why = plot.draw(bench.results, folder)
    if why:
        bench.say("No plots: " + why)


def gate(results, gates, say):
    """Checks what was checked, and that ratios are within 'gates'.  Returns
    how many passed, failed, and were skipped."""
    passed = failed = skipped = 0
    ratios = {r["figure"]: r for r in of_kind(results, "ratio")}
    for figure, limit in gates:
        r = ratios.get(figure)
        if not r or not r["valid"]:
            say("%-26s skipped: invalid" % figure)
            skipped += 1
        elif r["ratio"] <= limit:
            say("%-26s %.3f <= %.2f: ok" % (figure, r["ratio"], limit))
            passed += 1
        else:
            say("%-26s %.3f > %.2f: FAILED" % (figure, r["ratio"], limit))
            failed += 1
    for r in of_kind(results, "check"):
        passed += r["passed"]
        failed += not r["passed"]
    return passed, failed, skipped + len(of_kind(results, "skip"))
