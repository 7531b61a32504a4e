"""Who copies, reads and writes beside the data loader. Each measures one run: from a cell's source to a new topic."""

import contextlib
import datetime
import functools
import json
import subprocess
import tempfile
import time
from pathlib import Path

from processes import JAVA_PRODUCER, LIBRDKAFKA_CONSUMER, LIBRDKAFKA_PRODUCER, RECENT_CONSUMER, REFERENCE, REPOSITORY
from processes import Ran, Trouble, cpu, java, last_words, limit, process, settings

LOADER = str(REPOSITORY / "target/release/deploy-dataloader")
# So short that every record is due at once.
AT_ONCE = 0.003
# The most records a second that the loader takes.
TOP_RATE = 1e9


class Cell:
    """A source topic on a broker."""

    def __init__(self, broker, topic, partitions, records, size, plain=False):
        """Makes and fills the topic."""
        self.broker, self.topic, self.partitions, self.records, self.size = broker, topic, partitions, records, size
        self.plain = ["--plain"] if plain else []
        broker.do("create", topic, partitions)
        fill = LIBRDKAFKA_PRODUCER | {"message.max.bytes": "1048576"}
        broker.do("produce", topic, records, size, *self.plain, sets=fill, seconds=600)


def used(ran):
    """What a client's processes used, from start to end."""
    return {"client": ran.cpu, "memory": ran.memory, "seconds": ran.seconds}


def consume(cell, target):
    """librdkafka reads."""
    answer, ran = cell.broker.do("consume", cell.topic, cell.records, sets=RECENT_CONSUMER)
    return {"rate": answer["rate"], **used(ran)}


def produce(cell, target):
    """librdkafka writes."""
    task = ["produce", target, cell.records, cell.size, *cell.plain]
    answer, ran = cell.broker.do(*task, sets=LIBRDKAFKA_PRODUCER)
    return {"rate": answer["rate"], **used(ran)}


@functools.cache
def names_runs():
    """Whether the loader adds a header that names the run, unless it is told not to."""
    return "--no-run-header" in Ran([LOADER, "--help"]).out


def load(cell, target, records, seconds, header=False, to=None, during=None):
    """Runs the data loader; its part of the report, and the process."""
    seconds = max(seconds, records / TOP_RATE)
    servers = (to or cell.broker).servers
    command = [
        LOADER, "--source-topic", cell.topic, "--source-bootstrap-servers", cell.broker.servers,
        "--target-topic", target, "--target-bootstrap-servers", servers, "--late-after", "1h",
        "--duration-min", repr(seconds / 60), "--data-count-per-second", repr(records / seconds), "--timeout", "2h",
    ]  # fmt: skip
    if not header and names_runs():
        command.append("--no-run-header")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        ran = Ran([*command, "--report", str(report)], seconds=int(seconds) + 600, during=during)
        part = json.loads(report.read_text())["load"]
    if not records == part["planned"] == part["read"] == part["acked"] == part["visible"]:
        raise Trouble(f"the loader is not exact: {part}")
    return part, ran


def loader(cell, target, header=False):
    """The data loader at full speed. The rate is over its window: from the first record due to the last acknowledged."""
    part, ran = load(cell, target, cell.records, AT_ONCE, header)
    return {"rate": cell.records / window(part), **used(ran)}


def loader_with_header(cell, target):
    """The same, with the header that names the run."""
    return loader(cell, target, header=True)


def window(part):
    """The length of a load's window in seconds."""
    start, end = (datetime.datetime.fromisoformat(part["window"][side]) for side in ("start", "end"))
    return (end - start).total_seconds()


def kcat(cell, target):
    """kcat into kcat: values alone. The rate is over all of its time."""
    read = ["kcat", "-C", "-q", "-e", "-o", "beginning", "-b", cell.broker.servers, "-t", cell.topic]
    write = ["kcat", "-P", "-b", cell.broker.servers, "-t", target]
    ran = Ran(read + settings(LIBRDKAFKA_CONSUMER, "-X"), write + settings(LIBRDKAFKA_PRODUCER, "-X"))
    return {"rate": cell.records / ran.seconds, **used(ran)}


def watched(cell, target, pid):
    """Rate and CPU seconds from the first record that is in the target to the last: starting is left out."""
    with subprocess.Popen(cell.broker.ask("watch", target, cell.records), stdout=subprocess.PIPE, text=True) as watch:
        seen = []
        try:
            for line in watch.stdout:
                seen.append((json.loads(line)["records"], time.monotonic(), cpu(pid), cell.broker.cpu()))
        finally:
            watch.kill()
    if not seen or seen[-1][0] < cell.records:
        raise Trouble(f"the watch of {target} ended early")
    # Who is so fast that only an empty topic and a full one were seen is measured from when it was last empty.
    begun = [look for look in seen if 0 < look[0] < cell.records][:1] or [look for look in seen if look[0] == 0][-1:]
    (few, *before), (all_, *after) = begun[0], seen[-1]
    seconds, client, broker = (end - start for start, end in zip(before, after))
    share = cell.records / (all_ - few)
    memory = int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return {"rate": (all_ - few) / seconds, "client": client * share, "broker": broker * share, "memory": memory}


class MirrorMaker:
    """Kafka's MirrorMaker 2 with two tasks, started for each run."""

    def __init__(self, folder):
        """Writes below the folder."""
        self.folder, self.runs = folder, 0

    def __call__(self, cell, target):
        """Measures a run. The target's name is MirrorMaker's own: a cluster's name, a dot, the topic's."""
        self.runs += 1
        alias = f"run{self.runs}-{time.time_ns():x}"
        own = {
            "clusters": f"{alias}, target",
            f"{alias}.bootstrap.servers": cell.broker.servers,
            "target.bootstrap.servers": cell.broker.servers,
            f"{alias}->target.enabled": "true",
            f"{alias}->target.topics": cell.topic,
            "tasks.max": 2,
            "replication.factor": 1,
            "emit.heartbeats.enabled": "false",
            "emit.checkpoints.enabled": "false",
            "sync.topic.acls.enabled": "false",
            "sync.topic.configs.enabled": "false",
            "dedicated.mode.enable.internal.rest": "false",
            **{f"{kind}.storage.replication.factor": 1 for kind in ("config", "offset", "status")},
            **{f"{kind}.topic.replication.factor": 1 for kind in ("offset-syncs", "checkpoints", "heartbeats")},
            **{f"target.producer.{name}": value for name, value in JAVA_PRODUCER.items()},
        }
        properties = Path(self.folder, "mirror-maker.properties")
        properties.write_text("".join(f"{name}={value}\n" for name, value in own.items()))
        command = java(["out/mirror-maker/lib/*"], "org.apache.kafka.connect.mirror.MirrorMaker", str(properties))
        log = Path(self.folder, "mirror-maker.log")
        with limit(300, "MirrorMaker", log), process(command, log) as child:
            return {"topic": f"{alias}.{cell.topic}"} | watched(cell, f"{alias}.{cell.topic}", child.pid)


class Flink:
    """A Flink job that copies records whole, in a process that stays and is warm from its second run on."""

    def __init__(self, stack, folder, cores):
        """Is started by the first run, and ends with the stack."""
        self.stack, self.cores, self.child = stack, cores, None
        self.log = Path(folder, "flink.log")

    def __call__(self, cell, target):
        """Measures a run."""
        with limit(300, "Flink", self.log):
            child = self.child or self.start(cell.broker.servers)
            child.stdin.write(f"{cell.topic} {target}\n".encode())
            child.stdin.flush()
            sample = watched(cell, target, child.pid)
            if not child.stdout.readline().startswith(b"copied"):
                raise Trouble(f"Flink ended\n{last_words(self.log)}")
        return sample

    def start(self, servers):
        """Starts the process."""
        jars = ["jvm/flink-copy/target/flink-copy.jar", "jvm/flink-copy/target/lib/*"]
        open_ = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.util", "java.lang")]
        producer = [f"{name}={value}" for name, value in JAVA_PRODUCER.items()]
        main = ["streamgauge.bench.FlinkCopy", servers, str(self.cores), *producer]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = java(jars, *main, heap="1g", options=open_)
        self.child = self.stack.enter_context(process(command, self.log, **pipes))
        return self.child


def versions():
    """What was measured, in which version."""

    def pom(project, name):
        text = (REPOSITORY / f"jvm/{project}/pom.xml").read_text()
        return text.partition(f"<{name}.version>")[2].partition("<")[0]

    def first_line(*command):
        with contextlib.suppress(OSError):
            done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
            return (done.stdout + done.stderr).strip().splitlines()
        return []

    reference = json.loads(Ran([REFERENCE, "--servers=", "version"]).out)
    kcat_ = " ".join(line for line in first_line("kcat", "-V") if line.startswith("Version"))
    return {
        "streamgauge": (first_line("git", "describe", "--always", "--dirty", "--abbrev=12") or ["unknown"])[0],
        "Kafka and MirrorMaker": pom("kafka", "kafka"),
        "librdkafka": reference,
        "kcat": kcat_.removeprefix("Version ").partition(" ")[0],
        "Flink": pom("flink-copy", "flink"),
        "Java": first_line("java", "-version")[0],
    }
