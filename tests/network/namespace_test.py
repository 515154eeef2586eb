#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs pipelines in networks that are not friendly: fake-IP DNS, a private file host, proxies, http
to another machine, a machine without a TLS backend.

The script runs itself again in a network and a mount namespace of its own. There dnsmasq answers
DNS, the loopback device has the addresses of all hosts, and a service with TLS stands in for the
API and for the file hosts. Each test says what the service was sent, because that is what costs
money.

Arguments: the program veo-simulator, which makes the clip. Skips (77) if this machine has no namespaces or no dnsmasq.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import patience  # noqa: E402

SKIP = 77
API = "203.0.113.10"  # the API may have any address
FAKE = "198.18.0.7"
PRIVATE = "10.77.0.2"
HOSTS = {"api.test": API, "fake.test": FAKE, "private.test": PRIVATE, "plain.test": PRIVATE}
PATIENCE = 60  # seconds, longer than any run takes


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


def enter_namespaces():
    """Starts this script again in namespaces of its own."""
    for program in ("unshare", "dnsmasq", "openssl", "ip", "gst-launch-1.0"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            skip(f"{program} is not installed")
    unshare = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        unshare += ["--map-root-user"]
    if patience.run([*unshare, "true"], capture_output=True).returncode != 0:
        skip("this machine does not allow network and mount namespaces")
    os.environ["VEO_NETWORK_TEST_INSIDE"] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, __file__, *sys.argv[1:]])


class Service(ThreadingHTTPServer):
    """The API and its file hosts, on all addresses. Each task is completed at once."""

    daemon_threads = True

    def __init__(self, clip, context=None):
        super().__init__(("0.0.0.0", 0), Answer)
        self.clip = clip
        self.seen = []  # (method, path, host, body)
        self.file_host = ""
        self.scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def close(self):
        self.shutdown()
        self.server_close()

    def posts(self):
        return [request for request in self.seen if request[0] == "POST"]

    def handle_error(self, request, client_address):
        pass  # a client that goes away, or does not trust the certificate


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def send_json(self, value):
        self.send_body(json.dumps(value).encode(), "application/json")

    def send_body(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(("POST", self.path, self.headers["Host"], body))
        number = len(self.server.posts())
        self.send_json({"code": 200, "msg": "success", "data": {"taskId": f"task-{number}"}})

    def do_GET(self):
        self.server.seen.append(("GET", self.path, self.headers["Host"], b""))
        if self.path.startswith("/v1/tasks/"):
            url = f"{self.server.scheme}://{self.server.file_host}:{self.server.port}/clip.mp4"
            self.send_json({"id": self.path.rsplit("/", 1)[1], "status": "completed",
                            "output": {"urls": [url]}})
        else:
            self.send_body(self.server.clip, "video/mp4")


class NetworkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="veo-network-"))
        patience.run(["ip", "link", "set", "lo", "up"], check=True)
        cls.clip = cls.make_clip()
        for address in (API, FAKE, PRIVATE):
            patience.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
        (cls.home / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (cls.home / "hosts").write_text("127.0.0.1 localhost\n")
        (cls.home / "nsswitch.conf").write_text("hosts: files dns\n")
        for name in ("resolv.conf", "hosts", "nsswitch.conf"):
            target = os.path.realpath("/etc/" + name)
            mount = patience.run(["mount", "--bind", cls.home / name, target],
                                   capture_output=True, text=True)
            if mount.returncode != 0:
                raise unittest.SkipTest(f"{target} cannot be mounted over: {mount.stderr.strip()}")
        names = ",".join("DNS:" + host for host in HOSTS)
        patience.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-addext", f"subjectAltName={names}", "-keyout", cls.home / "key.pem",
                        "-out", cls.home / "ca.pem"], check=True, capture_output=True)
        cls.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.context.load_cert_chain(cls.home / "ca.pem", cls.home / "key.pem")
        cls.dns_log = cls.home / "dns.log"
        cls.dns = subprocess.Popen(
            ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--log-queries",
             f"--log-facility={cls.dns_log}", "--listen-address=127.0.0.1", "--bind-interfaces",
             "--user=root", "--pid-file=", "--conf-file=/dev/null",
             *(f"--address=/{name}/{address}" for name, address in HOSTS.items())])

        def dns_answers():
            if cls.dns.poll() is not None:
                raise unittest.SkipTest("dnsmasq does not start here")
            with contextlib.suppress(OSError):
                return socket.gethostbyname("api.test") == API

        patience.await_condition("dnsmasq answers", dns_answers, PATIENCE)

    @staticmethod
    def make_clip():
        simulator = subprocess.Popen([sys.argv[1], "--generation-time", "0s", "--frames", "24"],
                                     stdout=subprocess.PIPE, text=True)
        try:
            api = json.loads(patience.read_line(simulator))["api"]
            headers = {"Authorization": "Bearer sk-simulator", "Content-Type": "application/json"}

            def ask(path, body=None):
                request = urllib.request.Request(api + path, body, headers)
                return json.load(urllib.request.urlopen(request, timeout=PATIENCE))

            body = {"model": "veo-3", "input": {"prompt": "a dog"}}
            task = ask("/videos/generations", json.dumps(body).encode())["data"]["taskId"]

            def find_clip():
                report = ask("/tasks/" + task)
                return report["status"] == "completed" and report["output"]["urls"][0]

            url = patience.await_condition("the simulator makes a clip", find_clip, PATIENCE)
            return urllib.request.urlopen(url, timeout=PATIENCE).read()
        finally:
            simulator.terminate()
            patience.await_end(simulator)

    @classmethod
    def tearDownClass(cls):
        cls.dns.terminate()
        patience.await_end(cls.dns)
        shutil.rmtree(cls.home, ignore_errors=True)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.home))
        self.service = Service(self.clip, self.context)

        self.addCleanup(self.service.close)

    def start_plain_service(self):
        plain = Service(self.clip)
        plain.file_host = "plain.test"
        self.addCleanup(plain.close)
        return plain

    def catalog(self, *hosts):
        """Makes a catalog that names these file hosts."""
        catalog = json.loads(pathlib.Path(os.environ["VEO_TEST_CATALOG"]).read_text())
        catalog["file_hosts"] = list(hosts)
        path = self.folder / "catalog.json"
        path.write_text(json.dumps(catalog))
        return str(path)

    def run_pipeline(self, properties, file_hosts=(), service=None, **variables):
        """Runs veosrc into a file. Returns the exit code, the output, and the file's bytes."""
        service = service or self.service
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("VEO_") and not name.lower().endswith("_proxy")}
        environment = {
            **kept,
            "VEO_API_URL": f"{service.scheme}://api.test:{service.port}/v1",
            "VEO_API_KEY": "sk-test-0123456789",
            "VEO_LEDGER": str(self.folder / "ledger.db"),
            "VEO_CACHE_DIR": str(self.folder / "cache"),
            "VEO_POLL_INTERVAL": "20",
            "VEO_CATALOG": self.catalog(*file_hosts),
            "SSL_CERT_FILE": str(self.home / "ca.pem"),
            "LC_ALL": "C.UTF-8",
            **variables,
        }
        out = self.folder / "out.mp4"
        out.unlink(missing_ok=True)
        ended = patience.run(
            ["gst-launch-1.0", "veosrc", *properties, "layout=original", "!", "filesink",
             f"location={out}"],
            env=environment, capture_output=True, text=True, timeout=PATIENCE)
        text = ended.stdout + ended.stderr
        return ended.returncode, text, out.read_bytes() if out.exists() else b""

    def test_fake_addresses_are_told_before_paying(self):
        self.service.file_host = "fake.test"
        code, text, _ = self.run_pipeline(["prompt=a dog"], ["fake.test"])
        self.assertNotEqual(code, 0)
        self.assertEqual(self.service.seen, [], "nothing is sent")
        for words in ("fake.test", FAKE, "nothing is paid", "allow-addresses=198.18.0.0/15",
                      "VEO_ALLOW_ADDRESSES", "fake-IP DNS"):
            self.assertIn(words, text)

        # The line that was advised.
        code, text, clip = self.run_pipeline(
            ["prompt=a dog", "allow-addresses=198.18.0.0/15"], ["fake.test"])
        self.assertEqual(code, 0, text)
        self.assertEqual(clip, self.clip)
        self.assertEqual(len(self.service.posts()), 1)

    def test_the_variable_allows_as_the_property_does(self):
        self.service.file_host = "fake.test"
        code, text, clip = self.run_pipeline(["prompt=a dog"], ["fake.test"],
                                             VEO_ALLOW_ADDRESSES="10.0.0.0/8, 198.18.0.0/15")
        self.assertEqual((code, clip), (0, self.clip), text)

    def test_a_variable_that_is_no_list_refuses(self):
        code, text, _ = self.run_pipeline(["prompt=a dog"], VEO_ALLOW_ADDRESSES="198.18.0.0/40")
        self.assertNotEqual(code, 0)
        self.assertIn("VEO_ALLOW_ADDRESSES", text)
        self.assertIn("198.18.0.0/15", text)
        self.assertEqual(self.service.seen, [])

    def test_a_private_file_host_is_told_with_the_line_that_plays_it(self):
        self.service.file_host = "private.test"
        # Nobody knows the file host before the first task.
        code, text, _ = self.run_pipeline(["prompt=a dog"])
        self.assertNotEqual(code, 0)
        self.assertEqual(len(self.service.posts()), 1)
        for words in (PRIVATE, "is complete and paid", "task-id=task-1 allow-addresses=10.77.0.2/32"):
            self.assertIn(words, text)
        self.assertEqual([path for _, path, host, _ in self.service.seen if "private" in host], [])

        # The ledger has the host's name now, so another prompt is refused before it is paid.
        code, text, _ = self.run_pipeline(["prompt=a cat"])
        self.assertNotEqual(code, 0)
        self.assertIn("nothing is paid", text)
        self.assertIn("allow-addresses=10.77.0.2/32", text)
        self.assertEqual(len(self.service.posts()), 1)

        # The line that was advised.
        code, text, clip = self.run_pipeline(["task-id=task-1", "allow-addresses=10.77.0.2/32"])
        self.assertEqual((code, clip), (0, self.clip), text)
        self.assertEqual(len(self.service.posts()), 1)

    def test_a_name_that_does_not_resolve_refuses_nothing(self):
        self.service.file_host = "private.test"
        code, text, clip = self.run_pipeline(
            ["prompt=a dog", "allow-addresses=10.0.0.0/8"], ["unknown.test"])
        self.assertEqual((code, clip), (0, self.clip), text)

    def test_a_silent_resolver_delays_for_seconds_only(self):
        self.service.file_host = "private.test"
        hosts = self.home / "hosts"
        before = hosts.read_text()
        self.addCleanup(hosts.write_text, before)
        hosts.write_text(before + f"{API} api.test\n{PRIVATE} private.test\n")
        self.addCleanup(self.dns.send_signal, signal.SIGCONT)
        self.dns.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        code, text, clip = self.run_pipeline(
            ["prompt=a dog", "allow-addresses=10.0.0.0/8"], ["fake.test", "unknown.test"])
        self.assertEqual((code, clip), (0, self.clip), text)
        self.assertLess(time.monotonic() - began, 8, "getaddrinfo() itself takes 10 s or more")

    def test_http_needs_the_host_in_the_list(self):
        plain = self.start_plain_service()
        code, text, _ = self.run_pipeline(["prompt=a dog"], service=plain)
        self.assertNotEqual(code, 0)
        self.assertIn("VEO_ALLOW_HTTP", text)
        self.assertEqual(plain.seen, [])

        code, text, clip = self.run_pipeline(
            ["prompt=a dog"], service=plain, VEO_ALLOW_HTTP=f"api.test:{plain.port},plain.test",
            VEO_ALLOW_ADDRESSES="10.77.0.0/16")
        self.assertEqual((code, clip), (0, self.clip), text)
        self.assertIn("plain http", text)
        self.assertEqual(text.count("by plain http"), 1, text)

    def test_without_a_tls_backend_nothing_is_sent(self):
        began = time.monotonic()
        code, text, _ = self.run_pipeline(["prompt=a dog"], GIO_USE_TLS="dummy")
        self.assertNotEqual(code, 0)
        self.assertIn("glib-networking", text)
        self.assertNotIn("clock", text)
        self.assertEqual(self.service.seen, [])
        self.assertLess(time.monotonic() - began, 10, "a retry cannot help")

    def test_a_ca_file_that_is_gone_is_named_with_its_variable(self):
        code, text, _ = self.run_pipeline(["prompt=a dog"], SSL_CERT_FILE="/nonexistent/ca.pem")
        self.assertNotEqual(code, 0)
        self.assertIn("/nonexistent/ca.pem (SSL_CERT_FILE)", text)
        code, text, _ = self.run_pipeline(["prompt=a dog"], VEO_CA_FILE="/nonexistent/ca.pem")
        self.assertNotEqual(code, 0)
        self.assertIn("(VEO_CA_FILE)", text)
        self.assertEqual(self.service.seen, [])

    # --- Squid, with a password ---

    def start_squid(self):
        if not shutil.which("squid", path=os.environ["PATH"] + ":/usr/sbin"):
            self.skipTest("squid is not installed")
        # Squid gives up root, so the folder is open to all.
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.home))
        helper = pathlib.Path("/usr/lib/squid/basic_ncsa_auth")
        if not helper.exists():
            self.skipTest(f"{helper} is not there")
        word = patience.run(["openssl", "passwd", "-apr1", "pass word/1"], check=True,
                              capture_output=True, text=True).stdout
        (folder / "passwords").write_text(f"me:{word}")
        (folder / "passwords").chmod(0o644)
        for path in (self.home, folder):
            path.chmod(0o777)
        (folder / "squid.conf").write_text(
            f"http_port 127.0.0.1:3128\npid_filename none\ncache deny all\nshutdown_lifetime 0\n"
            f"cache_log {folder}/cache.log\naccess_log stdio:{folder}/access.log\n"
            f"dns_nameservers 127.0.0.1\nhosts_file {self.home}/hosts\ncoredump_dir {folder}\n"
            f"auth_param basic program {helper} {folder}/passwords\nauth_param basic realm test\n"
            "acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n"
            "netdb_filename none\npinger_enable off\n")
        squid = subprocess.Popen(["squid", "-N", "-f", folder / "squid.conf"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(patience.await_end, squid)
        self.addCleanup(squid.kill)

        def squid_listens():
            if squid.poll() is not None:
                self.skipTest("squid does not start here")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", 3128), 1).close()
                return True

        patience.await_condition("squid listens", squid_listens, PATIENCE)
        return folder / "access.log"

    def test_squid_gets_the_password_unasked(self):
        log = self.start_squid()
        self.service.file_host = "private.test"
        # The proxy resolves the names. Nothing here checks an address, before paying or after.
        code, text, clip = self.run_pipeline(
            ["prompt=a dog", "proxy=http://me:pass%20word%2F1@127.0.0.1:3128"], ["fake.test"])
        self.assertEqual((code, clip), (0, self.clip), text)
        posts = self.service.posts()
        self.assertEqual(len(posts), 1)
        self.assertEqual(json.loads(posts[0][3])["input"]["prompt"], "a dog")
        self.assertNotIn("TCP_DENIED", log.read_text())
        self.assertNotIn("pass", text)

    def test_squid_refuses_a_password(self):
        log = self.start_squid()
        code, text, _ = self.run_pipeline(
            ["prompt=a dog"], https_proxy="http://me:wrong-word@127.0.0.1:3128")
        self.assertNotEqual(code, 0)
        self.assertIn("refuses the user and the password", text)
        self.assertIn("Nothing was sent", text)
        self.assertNotIn("wrong-word", text)
        self.assertEqual(self.service.seen, [])
        self.assertEqual(log.read_text().count("CONNECT"), 1, "a second try cannot help")

    def test_squid_gets_the_password_with_plain_http(self):
        log = self.start_squid()
        plain = self.start_plain_service()
        code, text, clip = self.run_pipeline(
            ["prompt=a dog", "proxy=http://me:pass%20word%2F1@127.0.0.1:3128"], service=plain,
            VEO_ALLOW_HTTP="api.test,plain.test")
        self.assertEqual((code, clip), (0, self.clip), text)
        posts = plain.posts()
        self.assertEqual(len(posts), 1)
        self.assertEqual(json.loads(posts[0][3])["input"]["prompt"], "a dog")
        self.assertNotIn("TCP_DENIED", log.read_text())


if __name__ == "__main__":
    if "VEO_NETWORK_TEST_INSIDE" not in os.environ:
        enter_namespaces()
    ended = unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2, exit=False).result
    if ended.wasSuccessful() and ended.testsRun == 0:
        skip("; ".join(why for _, why in ended.skipped) or "there is no such test")
    sys.exit(0 if ended.wasSuccessful() else 1)
