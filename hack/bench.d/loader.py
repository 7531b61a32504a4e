"""Measures the data loader on a real Kafka beside librdkafka, kcat, MirrorMaker 2 and Flink, all in one run.

Prints tables, and writes out/bench/loader.json. Rows: SIZE/PARTITIONS at full speed (100B/1 … 1KB/16; MirrorMaker and
Flink only with 4 partitions; /plain: values alone, without keys and headers), pace/RATE on schedule, memory/1MB and
memory/stall for the most memory.
"""

import argparse
import contextlib
import datetime
import fnmatch
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import peers
import table
from processes import REPOSITORY, Broker, Trouble

OUT = REPOSITORY / "out/bench"
SIZES = {"100B": 100, "1KB": 1000}
RECORDS = {"100B": 1_500_000, "1KB": 300_000}
COPIES = [f"{size}/{partitions}" for size in SIZES for partitions in ("1", "4", "16", "4/plain")]
PACES = {"pace/1k": 1_000, "pace/10k": 10_000, "pace/100k": 100_000}
MEMORIES = ["memory/1MB", "memory/stall"]
SOAK = 50_000_000
# How long the target's broker stands still.
STALL = 10


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="hack/bench loader",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each (%(default)s)")
    parser.add_argument("--records", type=int, help="records of a run at full speed (1.5 million of 100 B, 300,000 of 1 KB)")
    parser.add_argument("--only", metavar="ROW,…", default="*", help="only these rows; patterns such as '100B/*' are fine")
    parser.add_argument("--quick", action="store_true", help="to see that it works: one run, few records, 10 s of each rate")
    parser.add_argument("--soak", action="store_true", help="instead of all rows: 50 million records of 20 B, counted apart")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md from out/bench/loader.json")
    args = parser.parse_args()
    if args.quick:
        args.runs = 1
    args.seconds = 10 if args.quick else 60
    patterns = args.only.split(",")
    rows = [*COPIES, *PACES, *MEMORIES]
    args.rows = [row for row in rows if any(fnmatch.fnmatch(row, pattern) for pattern in patterns)]
    if args.runs < 1 or not args.rows:
        parser.error(f"nothing to measure; rows are {' '.join(rows)}")
    return args


def statistic(values):
    """Median and spread."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": values}


def copy_row(row, bench):
    """Everybody at full speed, one after the other, and again."""
    size, partitions, *plain = row.split("/")
    records = bench.args.records or RECORDS[size] // (10 if bench.args.quick else 1)
    cell = peers.Cell(bench.broker, "source", int(partitions), records, SIZES[size], plain=bool(plain))
    measured = {"consume": peers.consume, "produce": peers.produce, "loader": peers.loader}
    if peers.names_runs():
        measured["loader+header"] = peers.loader_with_header
    measured["kcat"] = peers.kcat
    if partitions == "4" and not plain:
        measured |= {"MirrorMaker": bench.mirror_maker, "Flink": bench.flink}
    samples, kept, original = {name: [] for name in measured}, {}, bench.broker.do("judge", cell.topic)[0]
    for run in range(-1, bench.args.runs):
        for name, peer in measured.items():
            # The first run warms the broker and the peers that stay; MirrorMaker comes and goes.
            if run < 0 and name == "MirrorMaker":
                continue
            sample = once(bench.broker, cell, name, peer)
            topic = sample.pop("topic")
            if run >= 0:
                samples[name].append(sample)
            if run == bench.args.runs - 1 and name not in ("consume", "produce"):
                kept[name] = keeps(original, bench.broker.do("judge", topic)[0])
            bench.broker.do("clean", cell.topic)
            bench.say(f"{row} {name} run {run + 1}: {sample['rate']:,.0f}/s")
    return summary(row, cell, samples, kept)


def once(broker, cell, name, peer):
    """One peer's run."""
    target = f"target-{name.replace('+', '-')}"
    if name not in ("consume", "MirrorMaker"):
        broker.do("create", target, cell.partitions)
    before = broker.cpu()
    sample = peer(cell, target)
    return {"topic": target, "broker": broker.cpu() - before} | sample


def keeps(original, copy):
    """What of the records is the same in the copy."""
    if copy["records"] != original["records"]:
        raise Trouble(f"{copy['records']} of {original['records']} records were copied")
    same = {"everything": "whole", "values": "values"}
    return next((name for name, digest in same.items() if copy[digest] == original[digest]), "nothing")


def summary(row, cell, samples, kept):
    """A row's medians, and its ratios: of runs that stood side by side."""
    per_million = 1e6 / cell.records
    result = {"row": row, "size": cell.size, "partitions": cell.partitions, "plain": bool(cell.plain), "records": cell.records}
    result |= {"peers": {}, "ratios": {}}
    for name, runs in samples.items():
        result["peers"][name] = {
            "rate": statistic([run["rate"] for run in runs]),
            "clientCpuPerMillion": statistic([run["client"] * per_million for run in runs]),
            "brokerCpuPerMillion": statistic([run["broker"] * per_million for run in runs]),
            "peakMemory": max(run["memory"] for run in runs),
            "processSeconds": [run["seconds"] for run in runs if "seconds" in run],
            "keeps": kept.get(name),
        }
    rates = {name: [run["rate"] for run in runs] for name, runs in samples.items()}
    rates["librdkafka"] = [min(pair) for pair in zip(rates["consume"], rates["produce"])]
    for ours in [name for name in samples if name.startswith("loader")]:
        others = [name for name in ("librdkafka", "kcat", "MirrorMaker", "Flink") if name in rates]
        pairs = {name: zip(rates[ours], rates[name]) for name in others}
        result["ratios"][ours] = {name: statistic([mine / other for mine, other in pairs[name]]) for name in others}
    return result


def pace_rows(rows, bench):
    """The loader on schedule. The target has the broker's timestamps, so that its records tell how many came at once."""
    records = max(1_000_000, *(PACES[row] * bench.args.seconds for row in rows))
    cell = peers.Cell(bench.broker, "source", 4, records, 100)
    bench.broker.do("create", "target", 4)
    _, full = peers.load(cell, "target", records, peers.AT_ONCE)
    bench.broker.do("clean", cell.topic)
    bench.broker.do("create", "target", 4)
    _, start = peers.load(cell, "target", 1, 1e-4)
    bench.broker.do("clean", cell.topic)
    for row in rows:
        rate, records = PACES[row], PACES[row] * bench.args.seconds
        bench.broker.do("create", "target", 4, "message.timestamp.type=LogAppendTime")
        load, ran = peers.load(cell, "target", records, bench.args.seconds)
        judged, _ = bench.broker.do("judge", "target")
        bench.broker.do("clean", cell.topic)
        bench.say(f"{row}: {load['achievedRate']:,.1f}/s")
        yield {
            "row": row,
            "rate": rate,
            "seconds": bench.args.seconds,
            "achievedRate": load["achievedRate"],
            "paceErrorPercent": 100 * abs(1 - load["achievedRate"] / rate),
            "sendDelay": load["sendDelay"],
            "ackLatency": load["ackLatency"],
            "burstMillis": judged["burst"] / rate * 1e3,
            "cpuMicrosPerRecord": ran.cpu / records * 1e6,
            "cpuMicrosPerRecordAtFullSpeed": full.cpu / cell.records * 1e6,
            "cpuSecondsToStart": start.cpu,
            "peakMemory": ran.memory,
        }


def memory_row(row, bench):
    """The loader where memory could grow: with large records, and with a target that takes none for a while."""
    if row == "memory/1MB":
        cell = peers.Cell(bench.broker, "source", 4, 300, 1_000_000)
        bench.broker.do("create", "target", 4)
        load, ran = peers.load(cell, "target", cell.records, peers.AT_ONCE)
    else:
        cell = peers.Cell(bench.broker, "source", 4, 500_000, 1_000)
        with contextlib.ExitStack() as stack:
            target = Broker(stack, bench.folder)
            target.do("create", "target", 4)

            def stall(_):
                target.do("watch", "target", 1)
                target.pause(STALL)

            load, ran = peers.load(cell, "target", cell.records, 10, to=target, during=stall)
    bench.say(f"{row}: {ran.memory / 2**20:.0f} MiB")
    rate = cell.records / peers.window(load)
    return {"row": row, "size": cell.size, "records": cell.records, "rate": rate, "peakMemory": ran.memory}


def soak(bench):
    """Many small records, counted by the loader and by librdkafka."""
    records = bench.args.records or SOAK
    cell = peers.Cell(bench.broker, "source", 4, records, 20, plain=True)
    bench.broker.do("create", "target", 4)
    load, ran = peers.load(cell, "target", records, peers.AT_ONCE)
    seen = bench.broker.do("consume", "target", records, sets=peers.RECENT_CONSUMER, seconds=600)[0]["records"]
    mib = ran.memory / 2**20
    counts = " = ".join(f"{name} {load[name]:,}" for name in ("read", "acked", "visible"))
    print(f"{counts} = read back {seen:,} records")
    rate = records / peers.window(load)
    print(f"{rate:,.0f} records/s, {ran.cpu:.1f} CPU s, at most {mib:.0f} MiB (goal: below {table.MEMORY_MIB})")
    return mib < table.MEMORY_MIB


def machine():
    """Where it is measured."""
    facts = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    model = next((value.strip() for name, _, value in facts if name.strip() == "model name"), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "memory": memory, "system": f"Linux {platform.release()}"}


class Bench:
    """What all rows use: a broker, the peers that stay, a folder that goes."""

    def __init__(self, args, stack):
        """Starts the broker; all of it ends with the stack."""
        OUT.mkdir(parents=True, exist_ok=True)
        self.args = args
        self.folder = tempfile.mkdtemp(dir=OUT, prefix="run-")
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.broker = Broker(stack, self.folder)
        self.mirror_maker = peers.MirrorMaker(self.folder)
        self.flink = peers.Flink(stack, self.folder, len(os.sched_getaffinity(0)))

    @staticmethod
    def say(words):
        """Tells how far it is."""
        print(f"{datetime.datetime.now():%H:%M:%S} {words}", file=sys.stderr, flush=True)

    def measure(self):
        """All rows, into a document that grows."""
        document = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": peers.versions(),
            "runs": self.args.runs,
            "quick": self.args.quick,
            "loadAverage": {"before": os.getloadavg()[0]},
            "copies": [],
            "paces": [],
            "memory": [],
        }
        paces = [row for row in self.args.rows if row in PACES]
        for row in self.args.rows:
            if row in COPIES:
                document["copies"].append(copy_row(row, self))
            elif row in MEMORIES:
                document["memory"].append(memory_row(row, self))
            elif row == paces[0]:
                document["paces"] = list(pace_rows(paces, self))
            self.broker.do("clean")
        document["loadAverage"]["after"] = os.getloadavg()[0]
        return document


def main():
    """Measures, or writes what was measured."""
    args = arguments()
    written = OUT / "loader.json"
    if args.docs:
        (REPOSITORY / "docs/benchmarks.md").write_text(table.page(json.loads(written.read_text())))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with contextlib.ExitStack() as stack:
            bench = Bench(args, stack)
            if args.soak:
                return 0 if soak(bench) else 1
            document = bench.measure()
    except Trouble as trouble:
        print(f"hack/bench loader: {trouble}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        return 130
    written.write_text(json.dumps(document, indent=2) + "\n")
    print(table.tables(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
