"""The comparison with peers: what it says of a run, and what it draws."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.harness import BenchmarkError, Counters
from benchmarks.peers import chart, measure, report, rows
from benchmarks.peers.environments import Node, NotInstallable, Python
from benchmarks.peers.roster import PEERS
from benchmarks.peers.rows import Row, Run
from benchmarks.peers.runner import Report


def counters(**counted):
    zero = dict.fromkeys(Counters.__slots__, 0)
    return Counters(**(zero | counted))


def a_run(**figures):
    usual = {"cpu_us": 7.0, "per_second": 1e5, "peak_mb": 70, "lost": 0, "doubled": 0}
    return Run(**({"misreported": 0} | usual | figures))


def a_row(name, group="library", against="ours", **figures):
    failure = figures.pop("failure", "")
    return Row(
        name=name,
        title=f"{name} <1.0>",
        kind="apns",
        group=group,
        mode="as it likes",
        against=against,
        language="Python",
        devices=1_000,
        runs=[] if failure else [a_run(**figures)],
        failure=failure,
    )


@pytest.fixture
def measured():
    return [
        a_row("h2load", group="limit", cpu_us=3.0),
        a_row("ours", group="ours", cpu_us=7.0),
        a_row(rows.WORST, group="ours", against=rows.WORST, cpu_us=21.0),
        a_row("quick", cpu_us=70.0, lost=900, misreported=100),
        a_row("whole", cpu_us=350.0),
        a_row("absent", failure="not installable: no such version | at all"),
    ]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Everything that a report reads and writes, in a directory of the test's own."""
    monkeypatch.setattr(rows, "FILE", tmp_path / "peers.json")
    monkeypatch.setattr(report, "CHECKOUT", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(report, "CHART", tmp_path / "chart.svg")
    report.PAGE.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    return tmp_path


MACHINE = {
    "cores": "2",
    "CPU": "any",
    "memory": "8 GiB",
    "system": "Debian",
    "Python": "CPython 3.13",
    "PostgreSQL": "17",
    "Node.js": "22",
    "sizes": "runs of each: 3; devices: 1,000",
    "date": "2026-11-22",
    "load before": "0.10 (1 minute)",
}


def test_a_run_names_what_is_missing_doubled_and_told_wrongly():
    said = Report(accepted=700, cpu_seconds=0.1, wall_seconds=2.0, peak_mb=50)
    run = measure.compare(said, counters(requests=950, accepted=940, distinct=900), devices=1_000)
    assert (run.lost, run.doubled, run.misreported) == (100, 50, 240)
    assert (run.cpu_us, run.per_second) == (100.0, 500.0)


def test_the_report_replaces_its_part_of_the_page_only(files, measured):
    rows.write(MACHINE, measured)
    report.write()
    report.write()
    page = report.PAGE.read_text()
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page
    assert page.count("| whole <1.0> |") == 1


def test_the_table_compares_with_ours_in_the_same_conditions(files, measured):
    measured.append(a_row("slow-worst", against=rows.WORST, cpu_us=210.0))
    rows.write(MACHINE, measured)
    report.write()
    lines = report.PAGE.read_text().splitlines()
    (whole,) = [line for line in lines if line.startswith("| whole <1.0> |")]
    (slow,) = [line for line in lines if line.startswith("| slow-worst <1.0> |")]
    assert whole.split("|")[5].strip() == "50"
    assert slow.split("|")[5].strip() == "10"


def test_the_quoted_figure_is_the_dearest_of_ours(files, measured):
    rows.write(MACHINE, measured)
    report.write()
    page = report.PAGE.read_text()
    assert "**21.0**" in page
    assert "**7.0**" not in page


def test_who_loses_devices_is_not_the_best(files, measured):
    rows.write(MACHINE, measured)
    report.write()
    page = report.PAGE.read_text()
    assert "90 % lost, 10 % misreported" in page
    assert "whole <1.0>: 50 × less" in page
    assert "quick <1.0>: " not in page


def test_a_peer_that_could_not_be_measured_is_a_row_with_the_reason(files, measured):
    rows.write(MACHINE, measured)
    report.write()
    (line,) = [each for each in report.PAGE.read_text().splitlines() if "absent <1.0>" in each]
    assert "no such version / at all" in line
    assert line.count("|") == 9
    assert "not installable" in report.line(measured[-1])


def test_a_page_without_the_marks_is_not_touched(files, measured):
    rows.write(MACHINE, measured)
    report.PAGE.write_text("no marks")
    with pytest.raises(ValueError, match=r"page\.md lacks"):
        report.write()
    assert report.PAGE.read_text() == "no marks"


def test_the_chart_is_well_formed_and_longer_bars_cost_more(measured):
    svg = ElementTree.fromstring(chart.draw(measured))
    bars = [
        float(each.attrib["width"])
        for each in svg.iter("{http://www.w3.org/2000/svg}rect")
        if each.attrib.get("x") == str(chart.LABELS)
    ]
    apns = bars[: bars.index(max(bars)) + 1]
    assert apns == sorted(apns)
    assert len(bars) == 6
    assert "quick <1.0>, as it likes, 70.0" in svg.findtext("{http://www.w3.org/2000/svg}desc")


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_titles_name_the_version_that_is_pinned(peer):
    library, version = re.match(r"(\S+) ([\d.]+)", peer.title).groups()
    if isinstance(peer.environment, Python):
        pinned = peer.environment.requirements.read_text()
        assert re.search(rf"^{re.escape(library)}=={re.escape(version)}\.?", pinned, re.MULTILINE)
    else:
        pinned = (peer.environment.directory / "package.json").read_text()
        assert f'"{library}": "{version}.' in pinned


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_its_program(peer):
    if isinstance(peer.environment, Python):
        name = peer.command()[2].removeprefix("benchmarks.peers.runners.")
        assert (Path(measure.__file__).parent / "runners" / f"{name}.py").is_file()
    else:
        assert Path(peer.command()[1]).is_file()


def test_without_npm_the_reason_is_given(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Node, "directory", tmp_path)
    (tmp_path / "package-lock.json").write_text("{}")
    with pytest.raises(NotInstallable, match="npm is not on this machine"):
        Node("apn").prepare()


def test_a_program_that_breaks_says_why():
    command = [sys.executable, "-c", "raise SystemExit('no route to host')"]
    with pytest.raises(BenchmarkError, match="status 1 and said: no route to host"):
        measure._output(command, {})
