#!/usr/bin/env python3
"""Tests of the archives that hack/image left, and of the programs in them: each runs as in a cluster, with nothing but
the image's own files, as user 65532, on a read-only root with a writable /tmp.

Needs root, for chroot and namespaces, and openssl; the network is one of its own, with only a loopback.

    sudo tests/image.py
"""

import gzip
import hashlib
import http.server
import io
import json
import os
import re
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
import zipfile
import zlib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = dict(re.findall(r'^(version|license) = "(.*)"$', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE))
BIN = "/usr/local/bin/"
TASKS = "".join(task.read_text() for task in REPOSITORY.glob("tasks/*/*.yaml"))
PROGRAMS = set(re.findall(rf'command: \["{BIN}(.+)"\]', TASKS))
JAR = REPOSITORY / "examples/heron-preprocessor/target/heron-preprocessor.jar"
# Bytes, of the image without Java.
MOST = 60_000_000
# Mounts the unpacked image read-only, with the mounts of a container, and becomes the user of a Step.
ENTER = """
mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && mount -o remount,ro,bind "$0" &&
mount -t tmpfs tmpfs "$0/tmp" && cp -R "$1/." "$0/tmp/" && chown -R 65532:65532 "$0/tmp" && chmod 1777 "$0/tmp" &&
root=$0 chroot=$(command -v chroot) && shift &&
exec env -i HOME=/tmp "${@:2:$1}" "$chroot" --userspec=65532:65532 "$root" "${@:$1+2}"
"""


class Image:
    """An archive, read and unpacked as a container engine does."""

    def __init__(self, name):
        self.name = name
        with tarfile.open(REPOSITORY / "out/image" / f"{name}.tar") as archive:
            self.files = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}
        self.entry = json.loads(self.files["index.json"])["manifests"][0]
        self.manifest = json.loads(self.blob(self.entry))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.process = self.config["config"]
        self.layers = [gzip.decompress(self.blob(layer)) for layer in self.manifest["layers"]]
        self.contents = {}
        self.folder = tempfile.TemporaryDirectory(prefix=f"{name}-")
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                self.contents.update({entry.name: entry for entry in tar})
                tar.extractall(self.root, filter="fully_trusted")
        os.chmod(self.root, 0o755)

    @property
    def root(self):
        """Where it is unpacked."""
        return Path(self.folder.name)

    def blob(self, descriptor):
        """What a descriptor describes, once it was found to be that."""
        content = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert descriptor["size"] == len(content)
        assert descriptor["digest"] == digest(content)
        return content

    def run(self, *command, files=None):
        """Runs a command as a Step would, with files in /tmp."""
        for mounted in ["dev", "proc"]:
            (self.root / mounted).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            for name, content in (files or {}).items():
                Path(temporary, name).write_bytes(content)
            env = self.process["Env"]
            enter = ["unshare", "--mount", "--pid", "--fork", "bash", "-c", ENTER, self.root, temporary, str(len(env))]
            return subprocess.run(
                [*enter, *env, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
            )


def digest(content):
    """The name of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def dependencies(program):
    """The packages that cargo auditable wrote into a program, from its section .dep-v0."""
    with tempfile.NamedTemporaryFile() as section:
        subprocess.run(["objcopy", "--dump-section", f".dep-v0={section.name}", program, "/dev/null"], check=True)
        packages = json.loads(zlib.decompress(section.read()))["packages"]
    return {package["name"]: package["version"] for package in packages}


def stage(name):
    """The lines of a stage of the Dockerfile."""
    lines = (REPOSITORY / "Dockerfile").read_text()
    return re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM|\Z)", lines, re.MULTILINE | re.DOTALL)[1].splitlines()


class Names(threading.Thread):
    """A name server that knows one name, peer.test; it has no address of the sixth version."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self):
        while True:
            query, client = self.socket.recvfrom(512)
            end = query.index(b"\0", 12) + 5
            known = query[12:].startswith(b"\4peer\4test\0")
            kind = struct.unpack("!H", query[end - 4 : end - 2])[0]
            answer = struct.pack("!HHHLH4B", 0xC00C, 1, 1, 60, 4, 127, 0, 0, 1) if known and kind == 1 else b""
            flags = 0x8180 if known else 0x8183
            header = query[:2] + struct.pack("!5H", flags, 1, 1 if answer else 0, 0, 0)
            self.socket.sendto(header + query[12:end] + answer, client)


class Peer(http.server.ThreadingHTTPServer):
    """An HTTPS server named peer.test, which counts the handshakes that the client did not break off."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Accepting)
        key, self.certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=peer.test -addext subjectAltName=DNS:peer.test"
        subprocess.run(
            ["openssl", *request.split(), "-keyout", key, "-out", self.certificate], check=True, capture_output=True
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.handshakes = 0
        self.bodies = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        request.settimeout(20)
        with self.context.wrap_socket(request, server_side=True) as encrypted:
            self.handshakes += 1
            super().finish_request(encrypted, client_address)

    def handle_error(self, request, client_address):
        """A client that breaks off is what some tests are about."""


class Accepting(http.server.BaseHTTPRequestHandler):
    """Takes any message."""

    def do_POST(self):
        """Keeps the body."""
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Says nothing."""


class NoTopology(http.server.BaseHTTPRequestHandler):
    """Heron 0.20.5 where nothing runs and nothing can be submitted."""

    def do_GET(self):
        """Answers a question."""
        known = self.path.endswith("/version")
        body = b'{"heron.build.version": "0.20.5-incubating"}' if known else b'{"message": "Topology not found for this"}'
        self.send_response(200 if known else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


class Every:
    """What is true of every image."""

    name = ""

    @classmethod
    def setUpClass(cls):
        cls.image = Image(cls.name)

    def test_layers_are_what_the_configuration_says(self):
        self.assertEqual([digest(layer) for layer in self.image.layers], self.image.config["rootfs"]["diff_ids"])
        self.assertEqual(self.image.entry["platform"], {"os": "linux", "architecture": self.image.config["architecture"]})

    def test_containerd_finds_it_by_the_name_that_the_tasks_use(self):
        name = f"docker.io/library/{self.image.name}:{PACKAGE['version']}"
        self.assertEqual(self.image.entry["annotations"]["io.containerd.image.name"], name)
        self.assertIn(f'default: "{name.removeprefix("docker.io/library/")}"', TASKS)

    def test_labels_name_title_version_licences_and_revision(self):
        labels = {name.removeprefix("org.opencontainers.image."): text for name, text in self.image.process["Labels"].items()}
        self.assertEqual(labels.keys(), {"title", "description", "version", "licenses", "revision"})
        self.assertEqual((labels["title"], labels["version"]), (self.image.name, PACKAGE["version"]))
        self.assertTrue(labels["licenses"].startswith(PACKAGE["license"]))
        self.assertRegex(labels["revision"], r"^[0-9a-f]{40}(-dirty)?$")
        self.assertEqual(self.image.manifest["annotations"], self.image.process["Labels"])

    def test_the_dockerfile_says_nothing_that_the_archives_do_not(self):
        self.assertIn(f"ARG VERSION={PACKAGE['version']}", (REPOSITORY / "Dockerfile").read_text())
        for line in stage(self.image.name):
            if not line or line.startswith("#"):
                continue
            word, text = line.split(" ", 1)
            text = text.replace('"', "").replace("$VERSION", PACKAGE["version"])
            if word == "ENV":
                self.assertIn(text, self.image.process["Env"])
            elif word == "LABEL":
                self.assertEqual(self.image.process["Labels"][text.split("=")[0]], text.split("=", 1)[1])
            elif word == "USER":
                self.assertEqual(self.image.process["User"], text)
            else:
                self.assertIn(word, {"ARG", "COPY"})

    def test_the_user_is_not_root_and_has_a_name(self):
        self.assertEqual(self.image.process["User"], "65532:65532")
        self.assertIn("nonroot:x:65532:65532:", (self.image.root / "etc/passwd").read_text())

    def test_there_is_no_shell_nothing_setuid_and_nothing_writable_but_tmp(self):
        executable = {Path(name).name for name, entry in self.image.contents.items() if entry.isfile() and entry.mode & 0o111}
        self.assertFalse(executable & {"sh", "bash", "dash", "busybox"})
        for name, entry in self.image.contents.items():
            self.assertEqual((entry.uid, entry.gid), (0, 0), name)
            self.assertFalse(entry.mode & (stat.S_ISUID | stat.S_ISGID), name)
            if not entry.issym():
                self.assertEqual(entry.mode & 0o002 != 0, name == "tmp", name)

    def test_each_program_of_the_tasks_runs_and_is_of_this_version(self):
        self.assertEqual({program.name for program in self.image.root.glob("usr/local/bin/*")} - {"java"}, PROGRAMS | {"steps"})
        for program in PROGRAMS:
            ran = self.image.run(BIN + program, "--version")
            self.assertEqual(ran.stdout, f"{program} {PACKAGE['version']}\n")
            self.assertIn("Usage: " + program, self.image.run(BIN + program, "--help").stdout)

    def test_the_programs_name_their_dependencies(self):
        found = dependencies(self.image.root / "usr/local/bin/steps")
        self.assertEqual(found["streamgauge"], PACKAGE["version"])
        self.assertLessEqual({"openssl-src", "rdkafka-sys", "reqwest"}, found.keys())


class WithoutJava(Every, unittest.TestCase):
    """The image streamgauge."""

    name = "streamgauge"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        Names().start()
        cls.peer = Peer(folder.name)
        # What the kubelet brings, and what a company's image adds.
        (cls.image.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions ndots:5\nsearch a.test b.test\n")
        cls.bundle = cls.image.root / "etc/ssl/certs/ca-certificates.crt"
        cls.authorities = cls.bundle.read_text()

    def trust(self, peer):
        """Makes the image trust the peer, or not."""
        self.bundle.write_text(self.authorities + (Path(self.peer.certificate).read_text() if peer else ""))

    def send(self):
        """Sends a message to the peer."""
        address = f"https://peer.test:{self.peer.server_port}/hook"
        return self.image.run(
            BIN + "send-slack", "--status=Succeeded", "--run-id=a-run", "--webhook-url-file=/tmp/url", files={"url": address.encode()}
        )

    def load(self):
        """Asks the peer as if it were Kafka."""
        server = f"peer.test:{self.peer.server_port}"
        options = ["--source-topic=a", "--target-topic=b", "--duration-min=1", "--data-count-per-second=1", "--give-up-after=5s"]
        for side in ["source", "target"]:
            options += [f"--{side}-bootstrap-servers={server}", f"--{side}-config=/tmp/tls"]
        return self.image.run(BIN + "deploy-dataloader", *options, files={"tls": b"security.protocol=ssl\n"})

    def test_it_is_small(self):
        compressed = sum(layer["size"] for layer in self.image.manifest["layers"])
        unpacked = sum(entry.size for entry in self.image.contents.values())
        print(f"{compressed / 1e6:.1f} MB compressed, {unpacked / 1e6:.1f} MB unpacked", file=sys.stderr)
        self.assertLess(unpacked, MOST)

    def test_the_job_for_flink_is_there_with_all_it_needs(self):
        with zipfile.ZipFile(self.image.root / "usr/local/share/streamgauge/dataloader.jar") as jar:
            names = set(jar.namelist())
        machine = {"x86_64": "amd64", "aarch64": "aarch64"}.get(os.uname().machine, os.uname().machine)
        self.assertLessEqual(
            {
                "streamgauge/dataloader/Main.class",
                "org/apache/kafka/clients/producer/KafkaProducer.class",
                "org/HdrHistogram/Histogram.class",
            },
            names,
        )
        for library in [f"linux/{machine}/libzstd-jni-", f"net/jpountz/util/linux/{machine}/liblz4-java"]:
            self.assertTrue(any(name.startswith(library) for name in names), library)

    def test_https_goes_to_a_name_whose_authority_is_in_the_images_bundle(self):
        self.trust(True)
        ran = self.send()
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn(b"a-run", self.peer.bodies[-1])

    def test_https_does_not_go_to_a_stranger(self):
        self.trust(False)
        ran = self.send()
        self.assertEqual(ran.returncode, 4, ran.stdout)
        self.assertIn("certificate verify failed", ran.stdout)

    def test_kafka_is_trusted_when_its_authority_is_in_the_images_bundle(self):
        self.trust(True)
        before = self.peer.handshakes
        ran = self.load()
        self.assertGreater(self.peer.handshakes, before, ran.stdout)
        self.assertNotIn("not signed by anybody trusted here", ran.stdout)

    def test_a_strange_kafka_is_not_trusted(self):
        self.trust(False)
        before = self.peer.handshakes
        ran = self.load()
        self.assertEqual(self.peer.handshakes, before, ran.stdout)
        self.assertIn("not signed by anybody trusted here", ran.stdout)


class WithJava(Every, unittest.TestCase):
    """The image streamgauge-java."""

    name = "streamgauge-java"

    def test_java_is_a_17_and_named_to_scanners(self):
        ran = self.image.run("java", "-version")
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn('openjdk version "17.', ran.stdout)
        packages = {package.name for package in self.image.root.glob("var/lib/dpkg/status.d/*")}
        self.assertLessEqual({"libc6", "openjdk-17-jdk-headless", "ca-certificates"}, packages)

    def test_text_is_utf_8_and_authorities_are_known(self):
        shown = self.image.run("java", "-XshowSettings:properties", "-version").stdout
        self.assertIn("file.encoding = UTF-8", shown)
        self.assertIn("user.name = nonroot", shown)
        listed = self.image.run("/usr/lib/jvm/java-17/bin/keytool", "-list", "-cacerts", "-storepass", "changeit")
        self.assertRegex(listed.stdout, r"contains \d{2,3} entries")

    def test_deploy_heron_app_runs_a_topologys_main(self):
        heron = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoTopology)
        self.addCleanup(heron.server_close)
        threading.Thread(target=heron.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{heron.server_port}"
        ran = self.image.run(
            BIN + "deploy-heron-app",
            f"--service-url={address}", f"--tracker-url={address}",
            "--cluster=kubernetes", "--role=ads", "--environment=test", "--topology=preprocessor",
            "--jar=/tmp/topology.jar", "--main-class=streamgauge.example.preprocessor.PreprocessorTopology",
            "--timeout=60s",
            files={"topology.jar": JAR.read_bytes()},
        )  # fmt: skip
        self.assertIn("main made topology preprocessor", ran.stdout)


if __name__ == "__main__":
    if "STREAMGAUGE_NETWORK" not in os.environ:
        os.environ["STREAMGAUGE_NETWORK"] = "own"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, __file__, *sys.argv[1:]])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    unittest.main(verbosity=2)
