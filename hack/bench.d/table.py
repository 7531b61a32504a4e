"""What was measured, as Markdown for terminal and documentation."""

import datetime

# The loader's goals.
RATIOS = {"librdkafka": 0.95, "kcat": 2, "MirrorMaker": 3, "Flink": 1}
PACE_PERCENT = 0.1
BURST_MILLIS = 10
CPU_TIMES = 3
MEMORY_MIB = 256

NAMES = {
    "librdkafka": "librdkafka",
    "consume": "librdkafka reads",
    "produce": "librdkafka writes",
    "loader": "deploy-dataloader",
    "loader+header": "deploy-dataloader, run header",
    "kcat": "kcat into kcat",
    "MirrorMaker": "MirrorMaker 2",
    "Flink": "Flink",
}


def grid(head, rows):
    """A table whose columns stand below each other; numbers to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells):
        pairs = zip(cells, widths)
        words = [cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(pairs)]
        return f"| {' | '.join(words)} |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if index else "-") for index, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)]) + "\n"


def spread(statistic, form, times=1):
    """Median and, when there were several runs, the least and the most."""
    middle, least, most = (format(statistic[name] * times, form) for name in ("median", "min", "max"))
    return middle if len(statistic["runs"]) == 1 else f"{middle} ({least}–{most})"


def mark(met):
    """Whether a goal is met."""
    return "✓" if met else "✗"


def thousands(number):
    """A rate for reading."""
    return f"{number / 1e6:g} million" if number >= 1e6 else f"{number:,.0f}"


def ratios(document):
    """The loader beside the others: each ratio with its goal."""
    rows = []
    for copy in document["copies"]:
        cpu = {name: peer["clientCpuPerMillion"]["median"] for name, peer in copy["peers"].items()}
        least = min(cpu[name] for name in cpu if name in RATIOS)
        for ours, pairs in copy["ratios"].items():
            cells = [f"{shape(copy)}{', run header' if ours != 'loader' else ''}"]
            for other, goal in RATIOS.items():
                ratio = pairs.get(other)
                cells.append(f"{spread(ratio, '.2f')} {mark(ratio['median'] >= goal)}" if ratio else "–")
            rows.append([*cells, f"{cpu[ours] / least:.2f} {mark(cpu[ours] < least)}"])
    if not rows:
        return ""
    wanted = [f"{NAMES[name]} {'>' if goal == 1 else '≥'} {goal:g}" for name, goal in RATIOS.items()]
    head = ["deploy-dataloader ÷", *wanted, "CPU ÷ the most frugal copy's < 1"]
    return "### Ratios at full speed\n\n" + grid(head, rows) + "\n"


def shape(copy):
    """A row's records and partitions."""
    plain = ", values alone" if copy["plain"] else ""
    return f"{copy['size']} B, {copy['partitions']} partition{'s'[: copy['partitions'] > 1]}{plain}"


def rates(document):
    """Everybody at full speed."""
    text = ""
    for copy in document["copies"]:
        costs = ["client CPU s/million", "broker CPU s/million", "peak MiB"]
        head = [f"{thousands(copy['records'])} records", "records/s", *costs, "keeps"]
        rows = [
            [
                NAMES[name],
                spread(peer["rate"], ",.0f"),
                spread(peer["clientCpuPerMillion"], ".2f"),
                spread(peer["brokerCpuPerMillion"], ".2f"),
                f"{peer['peakMemory'] / 2**20:,.0f}",
                peer["keeps"] or "–",
            ]
            for name, peer in copy["peers"].items()
        ]
        text += f"### {shape(copy)}\n\n" + grid(head, rows) + "\n"
    return text


def paces(document):
    """The loader on schedule."""
    rows = []
    for pace in document["paces"]:
        times = pace["cpuMicrosPerRecord"] / pace["cpuMicrosPerRecordAtFullSpeed"]
        wanted = f" {mark(times <= CPU_TIMES)}" if pace["rate"] == 1000 else ""
        delay = pace["sendDelay"]
        rows.append([
            f"{pace['rate']:,}/s for {pace['seconds']} s",
            f"{pace['achievedRate']:,.2f}",
            f"{pace['paceErrorPercent']:.3f} {mark(pace['paceErrorPercent'] < PACE_PERCENT)}",
            f"{pace['burstMillis']:.1f} {mark(pace['burstMillis'] <= BURST_MILLIS)}",
            f"{delay['p50']:.2f} / {delay['p99']:.2f} / {delay['max']:.1f}",
            f"{pace['cpuMicrosPerRecord']:.2f}",
            f"{times:.1f}{wanted}",
            f"{pace['peakMemory'] / 2**20:.0f}",
        ])  # fmt: skip
    if not rows:
        return ""
    delays = "send delay ms p50 / p99 / max"
    head = ["asked for", "reached/s", "error %", "burst ms", delays, "CPU µs a record", "× full speed", "peak MiB"]
    first = document["paces"][0]
    return (
        "### On schedule\n\n"
        f"100 B, 4 partitions. Goals: error below {PACE_PERCENT} %, at most {BURST_MILLIS} ms of schedule in one\n"
        f"millisecond of the broker's clock, at 1,000/s at most {CPU_TIMES} × the CPU time a record that full speed takes\n"
        f"({first['cpuMicrosPerRecordAtFullSpeed']:.2f} µs). Starting and ending, which is in these numbers, takes "
        f"{first['cpuSecondsToStart'] * 1e3:.0f} ms of CPU time.\n\n" + grid(head, rows) + "\n"
    )


def memory(document):
    """The most memory."""
    names = {
        "memory/1MB": "records of 1 MB at full speed",
        "memory/stall": "50,000/s of 1 KB, the target's broker stopped for 10 s",
    }
    rows = []
    for case in document["memory"]:
        mib = case["peakMemory"] / 2**20
        rows.append([
            names[case["row"]],
            f"{case['records']:,}",
            f"{case['rate']:,.0f}",
            f"{mib:.0f}",
            f"< {MEMORY_MIB} {mark(mib < MEMORY_MIB)}",
        ])  # fmt: skip
    return "### Memory\n\n" + grid(["", "records", "records/s", "peak MiB", "goal"], rows) if rows else ""


def where(document):
    """The machine, the versions, the day."""
    machine, versions, load = document["machine"], document["versions"], document["loadAverage"]
    gib = machine["memory"] / 2**30
    return (
        f"{datetime.datetime.fromisoformat(document['date']):%Y-%m-%d %H:%M} UTC; {machine['cpu']}, {machine['cores']} cores, "
        f"{gib:.0f} GiB, {machine['system']}; load average before {load['before']:.2f}, after {load['after']:.2f}.\n"
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".\n"
    )


def tables(document):
    """All tables."""
    runs = document["runs"]
    how = "one run" if runs == 1 else f"median of {runs} runs in turn (least–most)"
    quick = " A quick look, not a measurement." if document["quick"] else ""
    parts = [part(document) for part in (ratios, rates, paces, memory)]
    return f"{where(document)}\nFull speed: {how}.{quick}\n\n" + "".join(parts)


def page(document):
    """docs/benchmarks.md."""
    return f"""# Benchmarks

`hack/bench loader` measures the data loader beside its peers in one run, clients and a real broker sharing one machine, and writes
`out/bench/loader.json`; `hack/bench loader --docs` makes this page of it. Compare numbers only within a run.

- **In turn.** In each round every client has its turn, each with a new topic to write to. A first round warms the broker and is not
  counted. Ratios are of neighbours in a round.
- **Who.** *librdkafka* reads alone and writes alone, by a [small program](../hack/bench.d/librdkafka.rs); a ratio to it is to the slower of
  both. *kcat into kcat* is `kcat -C | kcat -P`, which carries values only. *MirrorMaker 2* has 2 tasks. *Flink* is a
  [DataStream job](../jvm/flink-copy) that copies whole records, its parallelism the machine's cores.
- **The same demands.** acks=all, idempotence, no compression, 10 ms of lingering. Records have a key, a header and a timestamp; the size is
  the value's. *Values alone*: without key and header. What a copy keeps was found by reading it again beside its source.
- **Time.** librdkafka: from the first record to the last one read or acknowledged. deploy-dataloader: its report's window, from the first
  record due, with all due at once, to the last one acknowledged. kcat: all of its time. MirrorMaker and Flink: from the first records in the
  target to the last, so that starting is left out, as is its CPU time; Flink's process is warm from an earlier copy.
- **CPU** is user and system time of a client's processes, starting and ending included, and of the broker meanwhile.

{tables(document)}"""
