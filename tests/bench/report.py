"""Tables, plots and the page in docs/ of what was measured."""

import os
import pathlib
import platform
import re
import statistics

import servers
from scenarios import SCENARIOS

UNITS = {"mid": "us", "total": "us", "p50": "us", "memory": "KB"}
BEGIN, END = "<!-- figures: begin (written by tests/bench/run --write-docs) -->", "<!-- figures: end -->"


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.MULTILINE)
    return f"{os.cpu_count()} x {model[1] if model else platform.machine()}, Linux {platform.release().split('-')[0]}"


def versions():
    return {name: servers.version(name) for name in ("memcached", "haproxy", "stunnel4", "nutcracker")
            if servers.program(name)}


def median(rounds, figure):
    return statistics.median(each[figure] for each in rounds)


def ratios(results, target):
    """mcgate's figure as a share of the peer's, round by round; its own figure where there is no peer."""
    ours = [each[target.figure] for each in results["mcgate"]]
    if not target.peer:
        return ours
    return [own / each[target.peer_figure] for own, each in zip(ours, results[target.peer])]


def judged(results, target):
    """(what, median, least, most, must, aim) of a target; None where the peer is not here."""
    if target.peer and target.peer not in results:
        return None
    values = ratios(results, target)
    unit = f" / {target.peer} {target.peer_figure}" if target.peer else f", {UNITS[target.figure]}"
    return (f"mcgate {target.figure}{unit}", statistics.median(values), min(values), max(values), target.must,
            target.aim)


def text(scenario, results):
    lines = [scenario.title]
    for name, rounds in results.items():
        figures = [f"{figure} {median(rounds, figure):8.2f} {UNITS[figure]}" for figure in UNITS if figure in rounds[0]]
        lines.append(f"  {name:16} " + "   ".join(figures))
    for target in scenario.targets:
        if found := judged(results, target):
            what, middle, least, most, must, aim = found
            verdict = "aim reached" if middle <= (aim or must) else "must reached" if middle <= must else "NOT reached"
            wanted = f"must {must:g}" + (f", aim {aim:g}" if aim else "")
            lines.append(f"  {what:45} {middle:6.2f} ({least:.2f} to {most:.2f}); {wanted}: {verdict}")
    return "\n".join(lines)


def _measured(outcome):
    return [(scenario, outcome["scenarios"][scenario.name]) for scenario in SCENARIOS
            if scenario.name in outcome["scenarios"]]


def _bars(plot, title, unit, results, figure):
    names = [name for name in results if figure in results[name][0] or "total" in results[name][0]]
    figure_, axes = plot.subplots(figsize=(6, 0.5 * len(names) + 1))
    if figure == "total":
        mids = [median(results[name], "mid") if "mid" in results[name][0] else 0 for name in names]
        totals = [median(results[name], "total") for name in names]
        axes.barh(names, mids, label="in the middle")
        axes.barh(names, [all_ - mid for all_, mid in zip(totals, mids)], left=mids, label="memcached")
        axes.legend(frameon=False, fontsize="small")
    else:
        axes.barh(names, [median(results[name], figure) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, fontsize="medium")
    figure_.tight_layout()
    return figure_


def plot(outcome, directory):
    """An SVG per scenario; nothing but a sentence where matplotlib is not installed."""
    try:
        import matplotlib
        matplotlib.use("svg")
        matplotlib.rcParams.update({"svg.hashsalt": "mcgate", "svg.fonttype": "none"})
        from matplotlib import pyplot
    except ImportError:
        print("There are no plots: the package python3-matplotlib is not installed.")
        return
    for scenario, results in _measured(outcome):
        figure, unit = {"idle": ("memory", "KB per connection")}.get(
            scenario.mode, ("total", "us of processor time per request"))
        if scenario.name == "latency":
            figure, unit = "p50", "us, median"
        drawn = _bars(pyplot, scenario.title, unit, results, figure)
        drawn.savefig(pathlib.Path(directory) / f"{scenario.name}.svg", metadata={"Date": None})
        pyplot.close(drawn)


def _table(outcome):
    yield "| scenario | who | mid | total | p50 |"
    yield "| --- | --- | --- | --- | --- |"
    for scenario, results in _measured(outcome):
        if scenario.mode == "idle":
            continue
        for number, (name, rounds) in enumerate(results.items()):
            cells = [f"{median(rounds, figure):.1f}" if figure in rounds[0] else ""
                     for figure in ("mid", "total", "p50")]
            yield f"| {scenario.title if number == 0 else ''} | {name} | {' | '.join(cells)} |"


def _targets(outcome):
    yield "| scenario | ratio | median | spread | must | aim |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for scenario, results in _measured(outcome):
        for target in scenario.targets:
            if found := judged(results, target):
                what, middle, least, most, must, aim = found
                yield (f"| {scenario.title} | {what} | {middle:.2f} | {least:.2f} to {most:.2f} | {must:g} "
                       f"| {aim if aim else ''} |")


def _memory(outcome):
    for scenario, results in _measured(outcome):
        if scenario.mode == "idle":
            each = ", ".join(f"{name} {median(rounds, 'memory'):.1f} KB" for name, rounds in results.items())
            yield f"{scenario.title}: {each}."


def write_docs(outcome, docs):
    """Replaces what stands between the two marks of docs/performance.md, and its plots."""
    page = docs / "performance.md"
    found = ", ".join(f"{name} {said}" for name, said in outcome["versions"].items())
    plots = docs / "performance"
    plots.mkdir(exist_ok=True)
    plot(outcome, plots)
    drawn = [f"![{scenario.title}](performance/{scenario.name}.svg)" for scenario, _ in _measured(outcome)
             if (plots / f"{scenario.name}.svg").exists()]
    hurry = ", each a fifth as long as it should be (--quick)" if outcome["quick"] else ""
    figures = [BEGIN, "", f"Measured {outcome['when']}, {outcome['rounds']} rounds{hurry}, on {outcome['machine']}, "
               f"{found}.",
               "", *_targets(outcome), "", "Medians, microseconds of processor time per request:", "",
               *_table(outcome), "", *_memory(outcome), "", *drawn, "", END]
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + "\n".join(figures) + after)
