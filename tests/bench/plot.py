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

"""Has gnuplot draw results (runner.py), as SVG and PNG.

Of each experiment there is a plot of what lanes need or reach, bars with the
quartiles as error bars, and one of the ratios, points with the quartiles.
What is not valid is not drawn.
"""

import re
import shutil
import subprocess

import measure

# The scale of the y axis is logarithmic for what differs by magnitudes.
HEAD = """
set encoding utf8
set datafile missing "?"
set title "{title}"
set xlabel "{xlabel}"
set ylabel "{ylabel}"
set key outside bottom center horizontal height 1.5
set grid ytics linetype 1 linewidth 0.5 linecolor rgb "#cccccc"
set border 3
set tics nomirror
set bars small
set yrange [{ymin}:*]
"""

COLORS = ("#1b6ca8", "#d1603d", "#7a9e3b", "#8c6bb1", "#c2a83e", "#4a4a4a",
          "#56b4b4", "#b5598f")


def slug(name):
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def quote(text):
    return str(text).replace("\\", "").replace('"', "'")


class Plot:
    """Values by series and x, each (low, median, high)."""

    def __init__(self, title, xlabel, ylabel):
        self.title, self.xlabel, self.ylabel = title, xlabel, ylabel
        self.values = {}
        self.xs, self.series = [], []
        self.log = False
        self.line = None        # Where to draw a line, if not bars.

    def add(self, series, x, value):
        self.values[series, x] = value
        self.xs += [x] if x not in self.xs else []
        self.series += [series] if series not in self.series else []

    def data(self):
        lines = []
        for x in self.xs:
            cells = ['"%s"' % quote(x)]
            for series in self.series:
                low, median, high = self.values.get((series, x), "???")
                cells += [str(median), str(low), str(high)]
            lines.append(" ".join(cells))
        return "$data << END\n%s\nEND\n" % "\n".join(lines)

    def bars(self):
        return ("set style data histograms\n"
                "set style histogram errorbars gap 1.5 linewidth 1.2\n"
                "set style fill solid 0.85\nset boxwidth 0.9\n"
                "plot " + ", ".join(
                    '$data using %d:%d:%d:xtic(1) title "%s" '
                    'linecolor "%s"' % (3 * i + 2, 3 * i + 3, 3 * i + 4,
                                        quote(series),
                                        COLORS[i % len(COLORS)])
                    for i, series in enumerate(self.series)) + "\n")

    def points(self):
        shift = 0.6 / max(len(self.series), 1)
        return ("set xrange [-0.6:%f]\nset xtics (%s)\n"
                "plot %g notitle linecolor '#888888' dashtype 2, " % (
                    len(self.xs) - 0.4, ", ".join(
                        '"%s" %d' % (quote(x), i)
                        for i, x in enumerate(self.xs)),
                    self.line) + ", ".join(
                    '$data using ($0+%f):%d:%d:%d with '
                    'yerrorbars title "%s" pointtype 7 linecolor "%s"' % (
                        (i - (len(self.series) - 1) / 2) * shift,
                        3 * i + 2, 3 * i + 3, 3 * i + 4, quote(series),
                        COLORS[i % len(COLORS)])
                    for i, series in enumerate(self.series)) + "\n")

    def script(self, path):
        text = HEAD.format(title=quote(self.title),
                           xlabel=quote(self.xlabel),
                           ylabel=quote(self.ylabel),
                           ymin="*" if self.log else 0)
        text += "set logscale y\n" if self.log else ""
        if max(len(str(x)) for x in self.xs) > 9:
            text += "set xtics rotate by -20\n"
        text += self.data()
        for terminal, suffix in (("svg size 860,480 font 'Sans,13'", "svg"),
                                 ("pngcairo size 1290,720 font 'Sans,15'",
                                  "png")):
            text += ("set terminal %s noenhanced background '#ffffff'\n"
                     % terminal)
            text += 'set output "%s.%s"\n' % (path, suffix)
            text += self.points() if self.line else self.bars()
        return text


def xlabel(name):
    """What the x axis of an experiment is."""
    for word, label in (
            ("rings", "receive descriptors of the NIC"),
            ("flows", "flows"), ("guests", "guests"),
            ("bursts", "packet size (bytes), descriptors of NIC/guest"),
            ("latency", "load, of the zero-loss rate of the slower one"),
            ("container", "guest")):
        if name.startswith(word):
            return label
    return "packet size (bytes, with CRC)"


def cycles_plot(name, results):
    plot = Plot(name, xlabel(name), "PMD cycles per delivered packet")
    for r in results:
        c = r.get("cycles", {})
        if (r["kind"] == "lane"
                and c.get("n", 0) >= measure.MIN_VALID * r["windows"]
                and c["n"]):
            plot.add(r["title"], r["x"], (c["low"], c["median"], c["high"]))
    return plot


def ratio_plot(name, results, what):
    plot = Plot("%s: %s" % (name, "packets per second" if what == "throughput"
                            else "cycles per packet"), xlabel(name),
                "ratio (%s is better)" % (
                    "more" if what == "throughput" else "less"))
    plot.line = 1
    titles = {r["lane"]: r["title"] for r in results if r["kind"] == "lane"}
    for r in results:
        if r["kind"] != "ratio" or r["what"] != what:
            continue
        series = " : ".join(titles.get(lane, lane) for lane in r["lanes"])
        value = r
        if not r["valid"]:
            series += ", at least"
            value = r.get("at_least")
        if value:
            plot.add(series, r["x"],
                     (value["low"], value["ratio"], value["high"]))
    return plot


def value_plot(name, results):
    plot = Plot(name, xlabel(name), "")
    for r in results:
        if r["kind"] == "value" and r["valid"]:
            plot.ylabel = r["unit"]
            plot.add(r["title"], r["x"], (r["value"],) * 3)
    return plot


def latency_plot(name, results):
    plot = Plot(name, xlabel(name), "microseconds, there and back")
    plot.log = True
    for key in "p50", "p99", "p999":
        for r in results:
            if r["kind"] == "latency" and r["valid"]:
                plot.add("%s, %s" % (r["title"], key.replace("p", "", 1)
                                     .replace("999", "99.9") + " %"),
                         r["x"], r["us"][key])
    return plot


def draw(results, folder):
    """Draws everything into 'folder'.  Returns why not, None if it did."""
    gnuplot = shutil.which("gnuplot")
    if not gnuplot:
        return "there is no gnuplot"
    for name in dict.fromkeys(r["experiment"] for r in results):
        some = [r for r in results if r["experiment"] == name]
        for plot, suffix in (
                (cycles_plot(name, some), "cycles"),
                (ratio_plot(name, some, "cycles"), "ratio"),
                (ratio_plot(name, some, "throughput"), "throughput"),
                (value_plot(name, some), "values"),
                (latency_plot(name, some), "percentiles")):
            if not plot.series:
                continue
            done = subprocess.run(
                [gnuplot], text=True, stderr=subprocess.PIPE, check=False,
                input=plot.script("%s/%s-%s" % (folder, slug(name), suffix)))
            if done.returncode:
                return "gnuplot: " + done.stderr.strip()
    return None
