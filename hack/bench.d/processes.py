"""Processes of a benchmark: started, bounded, counted, and ended by their ids."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = str(REPOSITORY / "target/release/examples/librdkafka")
TICKS = os.sysconf("SC_CLK_TCK")
# The kernel ends a child whose parent is gone, even by a SIGKILL.
BOUND = ["setpriv", "--pdeathsig", "KILL", "--"]
# The settings that make a client fast, the same for every peer that has them. All are asked for acks=all and idempotence.
PRODUCER = {"acks": "all", "enable.idempotence": "true", "linger.ms": "10", "compression.type": "none"}
LIBRDKAFKA_PRODUCER = PRODUCER | {
    "batch.size": "1000000",
    "batch.num.messages": "100000",
    "queue.buffering.max.messages": "1000000",
}
JAVA_PRODUCER = PRODUCER | {"batch.size": "131072"}
LIBRDKAFKA_CONSUMER = {"queued.min.messages": "1000000", "queued.max.messages.kbytes": "262144"}
# Not known to the librdkafka of Debian's kcat.
RECENT_CONSUMER = LIBRDKAFKA_CONSUMER | {"fetch.queue.backoff.ms": "5"}

SERVER = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
log.segment.bytes=268435456
log.segment.delete.delay.ms=1000
auto.create.topics.enable=false
"""


class Trouble(Exception):
    """What went wrong, for a person."""


@contextlib.contextmanager
def limit(seconds, what, log=None):
    """Ends what takes too long, wherever it waits. `log` is where its reason may stand."""

    def expire(*_):
        raise Trouble(f"{what} did not end within {seconds} s\n{last_words(log) if log else ''}")

    outer = signal.signal(signal.SIGALRM, expire)
    left = signal.alarm(seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, outer)
        signal.alarm(left)


def last_words(log):
    """The end of a log."""
    return Path(log).read_text(errors="replace")[-2000:]


def cpu(pid):
    """CPU seconds that a process and its ended children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


@contextlib.contextmanager
def process(command, log, **options):
    """A process for as long as the block lasts; what it says goes to `log`."""
    with open(log, "ab") as words:
        child = subprocess.Popen([*BOUND, *command], stderr=words, **({"stdout": words} | options))
    try:
        yield child
    finally:
        end(child)


def end(child):
    """Ends a process, politely first."""
    if child.poll() is None:
        child.send_signal(signal.SIGCONT)
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Ran:
    """Processes that were joined by pipes and have ended."""

    def __init__(self, *commands, seconds=300, during=None):
        """Runs them. `during` is called meanwhile with the last one's id."""
        with contextlib.ExitStack() as stack, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as words:
            started, children, source = time.monotonic(), [], subprocess.DEVNULL
            for command in commands:
                sink = out if command is commands[-1] else subprocess.PIPE
                child = subprocess.Popen([*BOUND, *command], stdin=source, stdout=sink, stderr=words)
                if source is not subprocess.DEVNULL:
                    source.close()
                source = child.stdout
                children.append(child)
                stack.callback(end, child)
            self.cpu, self.memory = 0, 0
            with limit(seconds, commands[-1][0]):
                if during:
                    during(children[-1].pid)
                for child in children:
                    usage = self.wait(child)
                    self.cpu += usage.ru_utime + usage.ru_stime
                    self.memory += usage.ru_maxrss * 1024
            self.seconds = time.monotonic() - started
            self.out, self.words = (self.read(file) for file in (out, words))
        if any(child.returncode for child in children):
            pipe = " | ".join(" ".join(command) for command in commands)
            raise Trouble(f"{pipe}\nended with {[child.returncode for child in children]}: {self.words[-2000:]}")

    @staticmethod
    def wait(child):
        """Waits for a process's end; what it used."""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        return usage

    @staticmethod
    def read(file):
        """What a process wrote."""
        file.seek(0)
        return file.read().decode(errors="replace")


def java(lib, main, *args, heap="512m", options=()):
    """The command of a Java program whose jars are in the folders `lib`."""
    jars = ":".join(f"{REPOSITORY / folder}" for folder in lib)
    return ["java", f"-Xms{heap}", f"-Xmx{heap}", "-Djava.awt.headless=true", *options, "-cp", jars, main, *args]


def settings(values, flag):
    """Settings as a command's arguments."""
    return [word for name, value in values.items() for word in (flag, f"{name}={value}")]


class Broker:
    """A Kafka broker, one KRaft node, with its data in a folder that goes with it."""

    LIB = ["out/kafka/lib/*"]

    def __init__(self, stack, folder):
        """Starts one that ends with the stack."""
        folder = Path(tempfile.mkdtemp(dir=folder, prefix="broker-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.log = folder / "log"
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            self.servers, controller = (f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second))
        properties = folder / "server.properties"
        listeners = f"PLAINTEXT://{self.servers},CONTROLLER://{controller}"
        properties.write_text(
            f"{SERVER}listeners={listeners}\nadvertised.listeners={listeners}\n"
            f"controller.quorum.voters=1@{controller}\nlog.dirs={folder}/data\n"
        )
        log4j = folder / "log4j2.yaml"
        log4j.write_text(LOG4J)
        options = [f"-Dlog4j2.configurationFile={log4j}", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
        form = ["format", "-t", "c3RyZWFtZ2F1Z2UtYmVuYw", "-c", str(properties)]
        Ran(java(self.LIB, "kafka.tools.StorageTool", *form, options=options), seconds=60)
        command = java(self.LIB, "kafka.Kafka", str(properties), options=options)
        self.process = stack.enter_context(process(command, self.log))
        with limit(120, "the broker's start", self.log):
            while "Kafka Server started" not in self.log.read_text():
                if self.process.poll() is not None:
                    raise Trouble(f"the broker ended:\n{last_words(self.log)}")
                time.sleep(0.1)

    def cpu(self):
        """CPU seconds used until now."""
        return cpu(self.process.pid)

    def pause(self, seconds):
        """Stands still for a while."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *task, sets=()):
        """The command that gives the reference client a task here."""
        return [REFERENCE, "--servers", self.servers, *settings(dict(sets), "--set"), *map(str, task)]

    def do(self, *task, sets=(), **options):
        """Gives the reference client a task; the last line of its answer, and the process."""
        ran = Ran(self.ask(*task, sets=sets), **options)
        lines = ran.out.splitlines()
        return (json.loads(lines[-1]) if lines else None), ran


LOG4J = """\
Configuration:
  status: ERROR
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: { pattern: "[%d] %p %m (%c)%n" }
  Loggers:
    Root:
      level: INFO
      AppenderRef: { ref: STDOUT }
"""
