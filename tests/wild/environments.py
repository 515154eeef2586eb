# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other people's environments, with the real peers where Debian has them.

Each environment is a function; its docstring says what is done. It returns what the service charged
and the result, for the table of scripts/wild. It fails with AssertionError, or raises Skipped where
a machine cannot make the environment.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import world
from world import patience
from world import Home, Simulator, Skipped, need

ENVIRONMENTS = {}

# Held by an environment with names: the namespace has one resolver.
RESOLVER = threading.Lock()


def environment(function):
    ENVIRONMENTS[function.__name__] = function
    return function


def check(condition, what):
    if not condition:
        raise AssertionError(str(what))


def says(ended, *words):
    text = ended.errors + " ".join(event.get("message", "") for event in ended.events)
    for word in words:
        check(word in text, f"it does not say {word!r}: {ended}")


class Lab:
    """What one environment gets: a folder, a clip, and things that end with it."""

    def __init__(self, folder, clip, is_long, has_namespaces):
        self.folder, self.clip, self.is_long = Path(folder), clip, is_long
        self.has_namespaces = has_namespaces
        self.stack = contextlib.ExitStack()
        self.homes = 0

    def need_namespaces(self):
        if not self.has_namespaces:
            raise Skipped("this machine allows no new network and mount namespaces")

    def need_root(self):
        if os.geteuid() != 0 or os.environ.get("VEO_WILD_INSIDE") == "user":
            raise Skipped("only root can change to another user")

    def simulator(self, *arguments):
        arguments = ("--clip", self.clip, "--generation-time", "0s", *arguments)
        return self.stack.enter_context(Simulator(*arguments))

    def home(self, api):
        self.homes += 1
        folder = self.folder / f"home-{self.homes}"
        folder.mkdir()
        return Home(folder, api)

    def start(self, *command, **more):
        """Starts a peer, which is ended with the environment."""
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more
        )
        self.stack.callback(patience.await_end, process)
        self.stack.callback(process.terminate)
        return process

    def certificate(self, *names):
        """Makes a certificate that is its own authority. Returns its file and its key's file."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        subjects = ",".join(f"{'IP' if n[0].isdigit() else 'DNS'}:{n}" for n in names)
        patience.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "3650", "-subj", f"/CN={names[0]}", "-keyout", key, "-out", cert,
             "-addext", f"subjectAltName={subjects}"],
            check=True, capture_output=True,
        )  # fmt: skip
        return cert, key

    def address(self, address):
        """Gives the loopback interface of the namespace another address."""
        self.need_namespaces()
        patience.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        self.stack.callback(
            patience.run, ["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=True
        )

    def bind_mount(self, source, target, *options):
        self.need_namespaces()
        patience.run(["mount", "--bind", source, target], check=True)
        self.stack.callback(patience.run, ["umount", "-l", target], check=True)
        if options:
            patience.run(["mount", "-o", f"remount,bind,{','.join(options)}", target], check=True)

    def wait_for_port(self, address, port):
        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection((address, port), 1).close()
                return True

        # A peer that we did not write tells nobody when it listens.
        patience.await_condition(f"something listens at {address}:{port}", listens)

    def free_port(self, address="127.0.0.1"):
        with socket.socket() as probe:
            probe.bind((address, 0))
            return probe.getsockname()[1]

    def resolve(self, **names):
        """Starts dnsmasq as the namespace's resolver, with these names."""
        need("dnsmasq")
        (self.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (self.folder / "nsswitch.conf").write_text("hosts: files dns\n")
        self.bind_mount(self.folder / "resolv.conf", os.path.realpath("/etc/resolv.conf"))
        self.bind_mount(self.folder / "nsswitch.conf", "/etc/nsswitch.conf")
        records = [f"--address=/{name.replace('_', '.')}/{ip}" for name, ip in names.items()]
        self.start(
            "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
            "--pid-file", "--user=root", "--listen-address=127.0.0.1", "--bind-interfaces",
            *records,
        )  # fmt: skip
        self.wait_for_port("127.0.0.1", 53)

    def nginx(self, server):
        """Starts nginx with this `server` block."""
        need("nginx")
        config = self.folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(
            f"{user} daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log;\n"
            f"worker_processes 1; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {self.folder}/body;\n"
            f"proxy_temp_path {self.folder}/proxy; fastcgi_temp_path {self.folder}/fastcgi;\n"
            f"uwsgi_temp_path {self.folder}/uwsgi; scgi_temp_path {self.folder}/scgi;\n"
            f"server {{ {server} }} }}\n"
        )
        return self.start("nginx", "-c", config, "-e", self.folder / "nginx.log")


def generate(home, prompt, *arguments, **more):
    output = home.folder / "out.mp4"
    return home.run("generate", prompt, "-o", output, "--json", *arguments, **more)


def charges(simulator):
    return simulator.state()["charges"]


def paid(lab, count):
    """A home with this many paid tasks. Returns the simulator, the home and the prompts."""
    simulator = lab.simulator()
    home = lab.home(simulator.api)
    prompts = [f"a dog, {number}" for number in range(count)]
    for prompt in prompts:
        ended = generate(home, prompt)
        check(ended.code == 0, ended)
    check(charges(simulator) == count, "not each task was charged once")
    return simulator, home, prompts


# --- backups ---


@environment
def copy_of_ledger_db(lab):
    """20 paid tasks; `cp ledger.db` alone to another machine; the same 20 lines there"""
    simulator, home, prompts = paid(lab, 20)
    other = lab.home(simulator.api)
    other.ledger.parent.mkdir(mode=0o700)
    shutil.copy(home.ledger, other.ledger)
    for prompt in prompts:
        ended = generate(other, prompt)
        check(ended.code == 0 and ended.last("done")["reused"], ended)
    check(charges(simulator) == 20, f"{charges(simulator)} charges for 20 tasks")
    return 20, "each clip is played from its task"


@environment
def removed_wal(lab):
    """3 paid tasks; `rm ledger.db-wal ledger.db-shm`; the same 3 lines"""
    simulator, home, prompts = paid(lab, 3)
    for companion in ("-wal", "-shm"):
        Path(f"{home.ledger}{companion}").unlink(missing_ok=True)
    shutil.rmtree(home.cache)
    for prompt in prompts:
        ended = generate(home, prompt)
        check(ended.code == 0 and ended.last("done")["reused"], ended)
    check(charges(simulator) == 3, f"{charges(simulator)} charges for 3 tasks")
    return 3, "each clip is played from its task"


@environment
def older_copy(lab):
    """a copy of ledger.db is restored after another task was paid; the cache is gone"""
    simulator, home, _ = paid(lab, 1)
    copy = lab.folder / "copy.db"
    shutil.copy(home.ledger, copy)
    check(generate(home, "a cat").code == 0, "the second task failed")
    for companion in ("-wal", "-shm"):
        Path(f"{home.ledger}{companion}").unlink(missing_ok=True)
    shutil.copy(copy, home.ledger)
    shutil.rmtree(home.cache)
    ended = generate(home, "a cat")
    check(ended.last("error").get("code") == "ledger", ended)
    says(ended, "veo ledger accept")
    check(charges(simulator) == 2, f"{charges(simulator)} charges for 2 tasks")
    return 2, "refused: the ledger is older than what was recorded"


@environment
def lost_ledger_beside_cache(lab):
    """the ledger's folder is removed, the cache is there; another line"""
    simulator, home, prompts = paid(lab, 1)
    shutil.rmtree(home.ledger.parent)
    ended = generate(home, "a cat")
    check(ended.last("error").get("code") == "ledger", ended)
    says(ended, "veo ledger accept")
    ended = generate(home, prompts[0])
    check(ended.code == 0, ended)
    check(charges(simulator) == 1, f"{charges(simulator)} charges")
    return 1, "refused until `veo ledger accept`; the clip in the cache plays"


@environment
def backup_in_use(lab):
    """`veo ledger backup FILE` while another process writes; the copy is used elsewhere"""
    simulator, home, prompts = paid(lab, 3)
    copy = lab.folder / "backup.db"
    writer = home.start("generate", "a cat", "-o", home.folder / "cat.mp4", "--json")
    ended = home.run("ledger", "backup", copy)
    check(ended.code == 0, ended)
    check(writer.wait().code == 0, "the writer failed")
    check(copy.stat().st_mode & 0o77 == 0, "others can read the backup")
    other = lab.home(simulator.api)
    other.ledger.parent.mkdir(mode=0o700)
    shutil.copy(copy, other.ledger)
    for prompt in prompts:
        check(generate(other, prompt).code == 0, "a task is missing in the backup")
    check(charges(simulator) == 4, f"{charges(simulator)} charges for 4 tasks")
    return 4, "the copy is complete"


# --- an answer that has come ---

@environment
def locked_ledger(lab):
    """another program holds a write lock for 12 s while the answer comes; the process is killed"""
    simulator, home, _ = paid(lab, 1)
    simulator.set_faults("submit:delay=700ms")
    run = home.start("generate", "a cat", "-o", home.folder / "cat.mp4", "--json")
    simulator.await_submissions(2, run)
    with world.foreign_lock(home.ledger):
        time.sleep(12)
        run.send(signal.SIGKILL)
        run.wait()
    ended = generate(home, "a cat")
    check(ended.code == 0 and ended.last("done")["reused"], ended)
    check(charges(simulator) == 2, f"{charges(simulator)} charges for 2 tasks")
    return 2, "the next run takes the answer from the journal"


@environment
def moved_ledger(lab):
    """the ledger's folder is moved away (or unmounted) while the answer comes, and moved back"""
    simulator, home, prompts = paid(lab, 1)
    shutil.rmtree(home.cache)
    simulator.set_faults("submit:delay=1s")
    run = home.start("generate", "a cat", "-o", home.folder / "cat.mp4", "--json")
    simulator.await_submissions(2, run)
    folder, away = home.ledger.parent, home.folder / "away"
    folder.rename(away)
    ended = run.wait()
    check(ended.code == 0, ended)
    simulator.set_faults()
    again = generate(home, prompts[0])
    check(again.last("error").get("code") == "ledger", f"paid again without its ledger: {again}")
    shutil.rmtree(folder, ignore_errors=True)
    away.rename(folder)
    for prompt in ["a cat", prompts[0]]:
        ended = generate(home, prompt)
        check(ended.code == 0 and ended.last("done")["reused"], ended)
    check(charges(simulator) == 2, f"{charges(simulator)} charges for 2 tasks")
    return 2, "refused without the ledger; with it both tasks play"


@environment
def full_disk(lab):
    """the ledger's disk has 40 to 240 KiB left, then space again"""
    lab.need_namespaces()
    worst = 0
    for left in range(40, 241, 1 if lab.is_long else 20):
        simulator = lab.simulator()
        home = lab.home(simulator.api)
        home.ledger.parent.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "veo", home.ledger.parent]
        patience.run(mount, check=True)
        ballast = home.ledger.parent / "ballast"
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (1024 - left) * 1024)
        first = generate(home, "a cat")
        check(first.flaw() is None, f"{left} KiB: {first.flaw()}")
        ballast.unlink()
        again = generate(home, "a cat")
        patience.run(["umount", "-l", home.ledger.parent], check=True)
        check(again.code == 0, f"{left} KiB left: {first}, then {again}")
        worst = max(worst, charges(simulator))
    check(worst == 1, f"{worst} charges")
    return 1, "charged once or not at all; the next run plays the task"


@environment
def stopped_process(lab):
    """SIGSTOP while the answer comes, for 65 s: longer than the deadline of the submission"""
    if not lab.is_long:
        raise Skipped("it takes 65 s: scripts/wild --long")
    simulator, home, _ = paid(lab, 1)
    simulator.set_faults("submit:delay=700ms")
    run = home.start("generate", "a cat", "-o", home.folder / "cat.mp4", "--json", limit=200)
    simulator.await_submissions(2, run)
    run.send(signal.SIGSTOP)
    time.sleep(65)
    run.send(signal.SIGCONT)
    ended = run.wait()
    check(ended.code == 0, ended)
    check(charges(simulator) == 2, f"{charges(simulator)} charges for 2 tasks")
    return 2, "the answer in the socket is read"


@environment
def reload_of_nginx(lab):
    """HTTP/2 through nginx, which is reloaded (GOAWAY) before the answer"""
    need("nginx")
    simulator = lab.simulator()
    cert, key = lab.certificate("127.0.0.1", "localhost")
    port = lab.free_port()
    nginx = lab.nginx(
        f"listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};"
        f"location / {{ proxy_pass {simulator.api.removesuffix('/v1')}; }}"
    )
    lab.wait_for_port("127.0.0.1", port)
    home = lab.home(f"https://127.0.0.1:{port}/v1")
    simulator.set_faults("submit:delay=1s")
    run = home.start(
        "generate", "a cat", "-o", home.folder / "cat.mp4", "--json", f"--ssl-ca-file={cert}"
    )
    simulator.await_submissions(1, run)
    nginx.send_signal(signal.SIGHUP)
    ended = run.wait()
    check(ended.code == 0, ended)
    check(charges(simulator) == 1, f"{charges(simulator)} charges")
    return 1, "the answer is read, and the clip is played"


# --- paid for what nobody means ---


@environment
def prompts_nobody_means(lab):
    """`-`, blanks, `!`, punctuation; a seed and a take out of range"""
    simulator = lab.simulator()
    home = lab.home(simulator.api)
    for arguments in (["-"], ["  "], ["!"], ["…?!"], ["a dog", "--seed=100000"], ["a dog", "--take=0"]):
        ended = generate(home, *arguments)
        check(ended.last("error").get("code") == "invalid-request", f"{arguments}: {ended}")
    ended = generate(home, "🐕")
    check(ended.code == 0, ended)
    check(charges(simulator) == 1, f"{charges(simulator)} charges")
    return 1, "refused before anything is sent; an emoji is a prompt"


@environment
def shell_variable_unset(lab):
    """gst-launch-1.0 veosrc prompt="$UNSET" ! fakesink"""
    need("gst-launch-1.0")
    simulator = lab.simulator()
    home = lab.home(simulator.api)
    ended = patience.run(
        ["gst-launch-1.0", "veosrc", "prompt=", "!", "fakesink"],
        env=home.environment | {"GST_PLUGIN_PATH": str(world.BUILD / "plugin")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    check(ended.returncode != 0, "it succeeded")
    check(charges(simulator) == 0, f"{charges(simulator)} charges")
    return 0, "nothing is sent"


# --- addresses, proxies, TLS ---


def service_behind_names(lab, file_address):
    """An https API at api.example, and its file host at file.example with this address."""
    lab.need_namespaces()
    lab.stack.enter_context(RESOLVER)
    lab.address("203.0.113.5")
    lab.address(file_address)
    lab.resolve(api_example="203.0.113.5", file_example=file_address)
    cert, key = lab.certificate("api.example", "file.example")
    lab.nginx(
        f"listen {file_address}:443 ssl; ssl_certificate {cert}; ssl_certificate_key {key};"
        f"root {lab.clip.parent};"
    )
    simulator = lab.simulator(
        "--address", "203.0.113.5", "--tls-cert", cert, "--tls-key", key,
        "--fault", f"query:url=https://file.example/{lab.clip.name}",
    )  # fmt: skip
    lab.wait_for_port(file_address, 443)
    port = simulator.api.split(":")[2].split("/")[0]
    home = lab.home(f"https://api.example:{port}/v1")
    home.environment["SSL_CERT_FILE"] = str(cert)
    return home


def count_paid_rows(home):
    """The simulator's name does not resolve outside of the test, so the ledger is asked."""
    ledger = sqlite3.connect(f"file:{home.ledger}?mode=ro", uri=True)
    with contextlib.closing(ledger):
        query = "SELECT count(*) FROM submission WHERE state IN ('accepted', 'completed', 'unknown')"
        return ledger.execute(query).fetchone()[0]


def file_host_without_public_address(lab, address, range_of_it):
    home = service_behind_names(lab, address)
    ended = generate(home, "a cat", "--retries=1")
    check(ended.code != 0, "a private address was taken")
    says(ended, "allow-addresses", range_of_it.split(".")[0])
    again = generate(home, "a cat", f"--allow-addresses={range_of_it}")
    check(again.code == 0 and again.last("done")["reused"], again)
    catalog = json.loads((world.ROOT / "data/catalog.json").read_text())
    catalog["file_hosts"] = ["file.example"]
    file = lab.folder / "catalog.json"
    file.write_text(json.dumps(catalog))
    home.environment["VEO_CATALOG"] = str(file)
    before = generate(home, "a dog")
    check(before.code != 0, "a private address was taken")
    says(before, "allow-addresses")
    check(count_paid_rows(home) == 1, "it was paid before the address was known")
    return 1, "told before paying; plays with --allow-addresses"


@environment
def fake_ip_dns(lab):
    """dnsmasq gives the file host an address of 198.18.0.0/15"""
    return file_host_without_public_address(lab, "198.18.0.7", "198.18.0.0/15")


@environment
def private_file_host(lab):
    """the file host is at 10.9.8.7, behind a gateway"""
    return file_host_without_public_address(lab, "10.9.8.7", "10.0.0.0/8")


@environment
def squid_with_password(lab):
    """Squid with basic authentication, to an https API"""
    need("squid", "openssl")
    lab.need_root()
    helper = Path("/usr/lib/squid/basic_ncsa_auth")
    if not helper.exists():
        raise Skipped("Squid's basic_ncsa_auth is not installed")
    port = lab.free_port()
    os.chmod(lab.folder, 0o755)
    logs = lab.folder / "squid"
    logs.mkdir()
    os.chmod(logs, 0o777)
    secret = patience.run(
        ["openssl", "passwd", "-apr1", "p@ss:word"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (lab.folder / "passwords").write_text(f"user:{secret}\n")
    config = lab.folder / "squid.conf"
    config.write_text(
        f"http_port 127.0.0.1:{port}\npid_filename none\ncache deny all\n"
        f"access_log none\ncache_log {logs}/cache.log\nshutdown_lifetime 0 seconds\n"
        f"auth_param basic program {helper} {lab.folder}/passwords\n"
        "acl users proxy_auth REQUIRED\nhttp_access allow users\nhttp_access deny all\n"
    )
    lab.start("squid", "-N", "-f", config)
    lab.wait_for_port("127.0.0.1", port)
    cert, key = lab.certificate("127.0.0.1")
    simulator = lab.simulator("--tls-cert", cert, "--tls-key", key)
    home = lab.home(simulator.api)
    common = [f"--ssl-ca-file={cert}", "--retries=1"]
    wrong = generate(home, "a cat", f"--proxy=http://user:wrong@127.0.0.1:{port}", *common)
    check(wrong.code == 9, wrong)
    says(wrong, "proxy")
    check("wrong@" not in wrong.errors + str(wrong.events), "the proxy's password is printed")
    right = generate(home, "a cat", f"--proxy=http://user:p%40ss%3Aword@127.0.0.1:{port}", *common)
    check(right.code == 0, right)
    return 1, "a wrong password is told, and free; with the right one the body arrives whole"


@environment
def plain_http_in_another_container(lab):
    """an http API at 10.1.2.3, as in another container"""
    lab.address("10.1.2.3")
    simulator = lab.simulator("--address", "10.1.2.3")
    home = lab.home(simulator.api)
    ended = generate(home, "a cat")
    check(ended.last("error").get("code") == "invalid-request", ended)
    says(ended, "allow-http")
    ended = generate(home, "a cat", "--allow-http=10.1.2.3", "--allow-addresses=10.1.2.3/32")
    check(ended.code == 0, ended)
    return 1, "refused with the way out; plays with --allow-http"


@environment
def authority_in_ssl_cert_file(lab):
    """an https API with an authority of one's own, in SSL_CERT_FILE"""
    cert, key = lab.certificate("127.0.0.1")
    simulator = lab.simulator("--tls-cert", cert, "--tls-key", key)
    home = lab.home(simulator.api)
    ended = generate(home, "a cat", "--retries=0")
    check(ended.last("error").get("code") == "tls", ended)
    ended = generate(home, "a cat", environment={"SSL_CERT_FILE": str(cert)})
    check(ended.code == 0, ended)
    return 1, "plays"


@environment
def no_tls_backend(lab):
    """glib-networking is not installed"""
    cert, key = lab.certificate("127.0.0.1")
    simulator = lab.simulator("--tls-cert", cert, "--tls-key", key)
    home = lab.home(simulator.api)
    modules = lab.folder / "modules"
    modules.mkdir()
    ended = generate(home, "a cat", environment={"GIO_MODULE_DIR": str(modules)})
    check(ended.last("error").get("code") == "tls", ended)
    says(ended, "glib-networking")
    check(not ended.last("retry"), "it was tried again in vain")
    return 0, "it says that glib-networking is missing"


@environment
def html_in_place_of_a_clip(lab):
    """the file host (nginx) answers 200 with an HTML page"""
    port = lab.free_port()
    page = lab.folder / "page"
    page.mkdir()
    (page / "clip.mp4").write_text("<!DOCTYPE html><title>Sign in</title>" + "x" * 5000)
    lab.nginx(f"listen 127.0.0.1:{port}; root {page}; default_type text/html; types {{}}")
    lab.wait_for_port("127.0.0.1", port)
    simulator = lab.simulator("--fault", f"query:url=http://127.0.0.1:{port}/clip.mp4")
    home = lab.home(simulator.api)
    ended = generate(home, "a cat", "--retries=1")
    check(ended.code == 9, ended)
    check(not list(home.cache.glob("*.mp4")), "the page is kept as the clip")
    shutil.copy(lab.clip, page / "clip.mp4")
    ended = generate(home, "a cat")
    check(ended.code == 0 and ended.last("done")["reused"], ended)
    check(charges(simulator) == 1, f"{charges(simulator)} charges")
    return 1, "the page is not kept; the clip plays when it is there"


# --- keys, folders, files ---


@environment
def key_of_another_user(lab):
    """a key file of root with mode 0440, as systemd and Docker mount it; another user reads it"""
    lab.need_root()
    need("setpriv")
    simulator = lab.simulator()
    key = lab.folder / "credentials"
    key.mkdir(mode=0o755)
    (key / "veo-api-key").write_text("sk-wild\n")
    os.chown(key / "veo-api-key", 0, 12345)
    os.chmod(key / "veo-api-key", 0o440)
    home = lab.home(simulator.api)
    os.chown(home.folder, 12345, 12345)
    del home.environment["VEO_API_KEY"]
    home.environment["CREDENTIALS_DIRECTORY"] = str(key)
    as_user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    ended = generate(home, "a cat", prefix=as_user)
    check(ended.code == 0, ended)
    return 1, "accepted"


@environment
def key_from_a_command(lab):
    """VEO_API_KEY_COMMAND, and --api-key-file=<(…)"""
    simulator = lab.simulator("--key", "sk-from-command")
    home = lab.home(simulator.api)
    del home.environment["VEO_API_KEY"]
    command = {"VEO_API_KEY_COMMAND": "printf 'sk-from-command\\nuser: me\\n'"}
    ended = generate(home, "a cat", environment=command)
    check(ended.code == 0, ended)
    ended = generate(home, "a dog", environment={"VEO_API_KEY_COMMAND": "echo no entry >&2; false"})
    check(ended.code == 3, ended)
    says(ended, "VEO_API_KEY_COMMAND", "no entry")
    line = (
        f"exec {world.VEO} generate 'a bird' -o {home.folder}/bird.mp4"
        " --api-key-file=<(echo sk-from-command)"
    )
    bash = patience.run(
        ["bash", "-c", line], env=home.environment, capture_output=True, text=True
    )
    check(bash.returncode == 0, bash.stderr)
    check(charges(simulator) == 2, f"{charges(simulator)} charges for 2 tasks")
    return 2, "both are taken; a failed command is told with its words"


@environment
def read_only_root(lab):
    """user 12345 without a name, HOME=/, nothing writable but /tmp"""
    lab.need_root()
    need("setpriv")
    simulator = lab.simulator()
    home = lab.home(simulator.api)
    for name in ("VEO_LEDGER", "VEO_CACHE_DIR"):
        del home.environment[name]
    home.environment["HOME"] = "/"
    as_user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    out = lab.folder / "out"
    out.mkdir()
    os.chown(out, 12345, 12345)
    run = ["generate", "a cat", "-o", out / "cat.mp4", "--json"]
    ended = home.run(*run, prefix=as_user)
    check(ended.code == 9, ended)
    says(ended, "Permission denied")
    check("//" not in ended.last("error")["message"].replace("://", ""), ended)
    check("VEO_" in ended.last("error")["message"], ended)
    home.environment |= {"VEO_LEDGER": f"{out}/ledger.db", "VEO_CACHE_SIZE": "0"}
    ended = home.run(*run, prefix=as_user)
    check(ended.code == 0, ended)
    check(charges(simulator) == 1, f"{charges(simulator)} charges")
    return 1, "the message names the variable; VEO_CACHE_SIZE=0 needs no folder"


@environment
def catalog_that_is_no_file(lab):
    """VEO_CATALOG is a directory, a FIFO, endless"""
    simulator = lab.simulator()
    home = lab.home(simulator.api)
    fifo = lab.folder / "fifo"
    os.mkfifo(fifo)
    for path in (lab.folder, fifo, "/dev/zero"):
        ended = generate(home, "a cat", environment={"VEO_CATALOG": str(path)}, limit=60)
        check(ended.code == 2, f"{path}: {ended}")
        says(ended, "VEO_CATALOG")
    check(charges(simulator) == 0, f"{charges(simulator)} charges")
    return 0, "told, and nothing is sent"


# --- veo serve, patience and clocks (row 20) ---


@environment
def silent_connections(lab):
    """`veo serve` with 300 connections that send nothing"""
    simulator, home, _ = paid(lab, 1)
    task = simulator.state()["tasks"][0]["id"]
    server = home.start("serve", "--port=0", "--token=0123456789abcdef")
    text = patience.await_condition(
        "veo serve prints its address",
        lambda: "".join(server.texts[0]) or (server.process.poll() is not None and "veo serve ended"),
    )
    host, port = text.removeprefix("http://").split("/")[0].split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(300)]
    answer = patience.run(
        ["curl", "-s", "-m", "60", "-o", lab.folder / "clip.mp4", "-w", "%{http_code}",
         f"http://{host}:{port}/0123456789abcdef/task/{task}"],
        capture_output=True, text=True,
    )  # fmt: skip
    for connection in silent:
        connection.close()
    server.send(signal.SIGTERM)
    server.wait()
    check(answer.stdout == "200", f"curl got {answer.stdout}")
    return 1, "a player gets its clip"


@environment
def outage_while_waiting(lab):
    """the service answers nothing but resets for 10 s after it has accepted the task"""
    simulator = lab.simulator("--fault", "query:reset*12")
    home = lab.home(simulator.api)
    ended = generate(home, "a cat", "--retries=1", "--poll-interval=500")
    check(ended.code == 0, ended)
    check(charges(simulator) == 1, f"{charges(simulator)} charges")
    return 1, "the query is repeated; the clip plays"


@environment
def clock_ten_years_ahead(lab):
    """one submission under a clock ten years ahead, with a daily budget for three"""
    simulator = lab.simulator()
    home = lab.home(simulator.api)
    home.environment["VEO_DAILY_BUDGET"] = "120"
    ahead = generate(home, "a cat", environment=world.fake_clock("+3652d"))
    check(ahead.code == 0, ahead)
    check(generate(home, "a dog").code == 0, "the budget is used up")
    check(generate(home, "a bird").code == 0, "the budget is used up")
    for jump in ("+0d", "+1d", "-1d", "+3652d", "-3652d"):
        ended = generate(home, "a fish", environment=world.fake_clock(jump))
        check(ended.code == 4, f"a clock at {jump} made the budget new: {ended}")
    ended = home.run("ledger", "redate")
    check(ended.code == 0, ended)
    history = home.run("history", "--json")
    check("2036" not in str(history.events), "a row is still dated 2036")
    check(charges(simulator) == 3, f"{charges(simulator)} charges")
    return 3, "the budget is neither new nor used up for ever"
