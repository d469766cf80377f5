# SPDX-License-Identifier: Apache-2.0
"""Whom the uplink trusts, and to whom it proves itself. Certificates are made on the spot."""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import time

from uplink_bench import Driver, Folder, Mosquitto, check, free_port, run_all
from mqtt_peer import Subscriber


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}")


def make_certificate(folder, name, authority, hosts, days=2):
    path = pathlib.Path(folder)
    (path / f"{name}.ext").write_text(f"subjectAltName={hosts}\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
            f"{authority}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", str(days),
            "-extfile", f"{name}.ext")
    os.chmod(path / f"{name}.key", 0o644)  # the broker reads it as another user


def tls_broker(folder, certificate, more=""):
    return Mosquitto(folder, settings="allow_anonymous true",
                     tls=f"certfile {folder}/{certificate}.pem\nkeyfile {folder}/{certificate}.key\n"
                         f"cafile {folder}/ca.pem\n{more}")


def the_right_broker_is_trusted():
    with Folder() as folder:
        make_authority(folder, "ca")
        make_certificate(folder, "broker", "ca", "DNS:localhost,IP:127.0.0.1")
        broker = tls_broker(folder, "broker")
        for version in (5, 4):
            figures = Driver(uri=f"mqtts://localhost:{broker.port}", version=version, push=50,
                             ca=f"{folder}/ca.pem").finish()
            assert figures["delivered"] == 50 and figures["connects"] == 1, figures
        broker.stop()


def whether_anybody_subscribed_is_known(secure):
    """Of the first 20 none is heard, of the next 20 each, of the last 20 none."""
    plain = free_port()
    with Folder() as folder:
        make_authority(folder, "ca")
        make_certificate(folder, "broker", "ca", "DNS:localhost,IP:127.0.0.1")
        broker = tls_broker(folder, "broker", f"listener {plain} 127.0.0.1")
        uri = f"mqtts://localhost:{broker.port}" if secure else f"mqtt://127.0.0.1:{plain}"
        driver = Driver(uri=uri, push=20, hold=1, **({"ca": f"{folder}/ca.pem"} if secure else {}))
        driver.wait_for(lambda lines: sum(x.startswith("ack ") for x in lines) == 20)
        subscriber = Subscriber(plain)
        driver.say("push 20")
        driver.wait_for(lambda lines: sum(x.startswith("ack ") for x in lines) == 40)
        assert subscriber.wait_for(lambda ms: sum(m.topic.endswith("/alert") for m in ms) == 20)
        subscriber.unsubscribe()
        driver.say("push 20")
        driver.wait_for(lambda lines: sum(x.startswith("ack ") for x in lines) == 60)
        figures = driver.quit()
        broker.stop()
    assert figures["connects"] == 1 and figures["delivered"] == 60 and figures["unheard"] == 40, figures


def mosquitto_says_when_nobody_subscribed():
    whether_anybody_subscribed_is_known(False)


def mosquitto_says_when_nobody_subscribed_over_tls():
    whether_anybody_subscribed_is_known(True)


def refuse(folder, broker, words, host="localhost", **options):
    """No connection, and words that name the cause."""
    driver = Driver(uri=f"mqtts://{host}:{broker.port}", push=1, **options)
    line = driver.wait_line("refused ")
    driver.kill()
    assert words in line, line
    assert driver.count("up ") == 0 and driver.count("pub ") == 0


def with_broker(certificate, test, days=2, hosts="DNS:localhost,IP:127.0.0.1"):
    with Folder() as folder:
        for name in ("ca", "other"):
            make_authority(folder, name)
        make_certificate(folder, certificate, "ca", hosts, days)
        broker = tls_broker(folder, certificate)
        test(folder, broker)
        broker.stop()
        # The client's hello, and nothing of ours: the broker saw no CONNECT.
        assert "New client connected" not in broker.config.with_suffix(".log").read_text()


def a_broker_of_another_name_is_refused_in_words():
    def test(folder, broker):
        for host in ("localhost", "127.0.0.1"):
            refuse(folder, broker, "the certificate names another host", host=host, ca=f"{folder}/ca.pem")
    with_broker("elsewhere", test, hosts="DNS:elsewhere.example")


def a_broker_whose_certificate_has_expired_is_refused_in_words():
    with_broker("expired", lambda folder, broker: refuse(folder, broker, "TLS: certificate verify failed",
                                                         ca=f"{folder}/ca.pem"), days=-1)


def a_broker_of_another_authority_is_refused_in_words():
    with_broker("broker", lambda folder, broker: refuse(folder, broker, "TLS: certificate verify failed",
                                                        ca=f"{folder}/other.pem"))


def a_client_certificate_is_shown():
    with Folder() as folder:
        make_authority(folder, "ca")
        make_certificate(folder, "broker", "ca", "DNS:localhost")
        make_certificate(folder, "gateway", "ca", "DNS:gw-01")
        broker = tls_broker(folder, "broker", "require_certificate true")
        os.chmod(f"{folder}/gateway.key", 0o600)
        options = dict(uri=f"mqtts://localhost:{broker.port}", push=1, ca=f"{folder}/ca.pem")
        figures = Driver(**options, cert=f"{folder}/gateway.pem", key=f"{folder}/gateway.key").finish()
        assert figures["delivered"] == 1
        without = Driver(**options)
        without.wait_line("refused ")
        without.kill()
        assert without.count("up ") == 0
        broker.stop()


def public_names_of_the_hello(port, folder, **options):
    """What a TLS client says before anything is secret, as openssl's server prints it."""
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "broker.pem", "-key", "broker.key",
         "-servername", "localhost", "-cert2", "broker.pem", "-key2", "broker.key", "-alpn", "mqtt", "-trace", "-naccept",
         "1"], cwd=folder, stdin=subprocess.PIPE, stdout=open(f"{folder}/hello", "w"), stderr=subprocess.STDOUT)
    driver = None
    try:
        wait_for_port(port)
        driver = Driver(push=1, ca=f"{folder}/ca.pem", **options)
        deadline = time.monotonic() + 20
        while "CIPHER is" not in pathlib.Path(folder, "hello").read_text(errors="replace"):  # the handshake is over
            assert time.monotonic() < deadline, pathlib.Path(folder, "hello").read_text(errors="replace")
            time.sleep(0.02)
    finally:
        if driver:
            driver.kill()
        server.kill()
        server.wait(10)
        server.stdin.close()
    return pathlib.Path(folder, "hello").read_text(errors="replace")


def wait_for_port(port):
    """Until something listens there, without a connection that the server would count."""
    deadline = time.monotonic() + 10
    while f":{port:04X} 00000000:0000 0A" not in open("/proc/net/tcp").read():
        assert time.monotonic() < deadline, "openssl s_server does not listen"
        time.sleep(0.02)


def the_host_and_the_protocol_are_named_in_the_hello():
    with Folder() as folder:
        make_authority(folder, "ca")
        make_certificate(folder, "broker", "ca", "DNS:localhost,IP:127.0.0.1")
        port = free_port()
        hello = public_names_of_the_hello(port, folder, uri=f"mqtts://localhost:{port}", alpn="x-other,mqtt")
        assert re.search(r"extension_type=server_name\(0\).*\n.*localhost", hello), hello[:3000]
        assert re.search(r"application_layer_protocol_negotiation\(16\), length=15\s+x-other\s+mqtt\s", hello), hello[:3000]
        port = free_port()
        hello = public_names_of_the_hello(port, folder, uri=f"mqtts://localhost:{port}")
        assert "application_layer_protocol_negotiation" not in hello
        broker = tls_broker(folder, "broker")  # one that does not know of protocols takes no offence
        for version in (5, 4):
            figures = Driver(uri=f"mqtts://localhost:{broker.port}", version=version, push=5, alpn="mqtt",
                             ca=f"{folder}/ca.pem").finish()
            assert figures["delivered"] == 5, figures
        broker.stop()


def handshake(server, folder, least, most):
    """As a server of these versions alone, on the next connection: the version agreed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # else OpenSSL itself has nothing below 1.2
    context.minimum_version, context.maximum_version = least, most
    context.load_cert_chain(f"{folder}/broker.pem", f"{folder}/broker.key")
    wire, _ = server.accept()
    wire.settimeout(20)
    with context.wrap_socket(wire, server_side=True) as channel:
        return channel.version()


def the_version_is_1_2_or_newer():
    """Also where the computer's OpenSSL is told to take older ones: the library sets a security level of its own."""
    with Folder() as folder:
        make_authority(folder, "ca")
        make_certificate(folder, "broker", "ca", "DNS:localhost,IP:127.0.0.1")
        lax = pathlib.Path(folder, "lax.cnf")
        lax.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
                       "[c]\nMinProtocol = TLSv1\nCipherString = ALL@SECLEVEL=0\n")
        os.environ["OPENSSL_CONF"] = str(lax)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(20)
            driver = Driver(uri=f"mqtts://localhost:{server.getsockname()[1]}", push=1, ca=f"{folder}/ca.pem")
            del os.environ["OPENSSL_CONF"]
            try:
                taken = handshake(server, folder, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
            except ssl.SSLError as error:
                taken = error.reason
            assert taken == "TLSV1_ALERT_INTERNAL_ERROR", taken  # by the client, which cannot sign or verify that old
            assert handshake(server, folder, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
            driver.kill()


def write_password(folder, name, text, mode=0o600):
    path = pathlib.Path(folder) / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def a_password_opens_and_a_wrong_one_is_told():
    with Folder() as folder:
        users = pathlib.Path(folder) / "users"
        users.touch()
        subprocess.run(["mosquitto_passwd", "-b", str(users), "gw", "right one"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        users.chmod(0o644)
        broker = Mosquitto(folder, settings=f"allow_anonymous false\npassword_file {users}")
        watcher = Subscriber(broker.port, username="gw", password="right one")
        right = write_password(folder, "right", "right one\n")
        wrong = write_password(folder, "wrong", "wrong one\n")
        for version, reason in ((5, "0x87 not authorized"), (4, "0x05 not authorized")):
            uri = f"mqtt://127.0.0.1:{broker.port}"
            options = dict(uri=uri, version=version, push=3, username="gw")
            assert Driver(**options, password_file=right).finish()["delivered"] == 3
            driver = Driver(**options, password_file=wrong)
            line = driver.wait_line("refused ")
            driver.kill()
            assert reason in line, line
        assert watcher.wait_for(lambda ms: sum(m.topic.endswith("/alert") for m in ms) == 6)
        for message in watcher.messages:
            check(message)
        log = broker.config.with_suffix(".log").read_text()
        assert "right one" not in log
        broker.stop()


def an_access_list_of_the_own_tree_is_enough():
    """Mosquitto 2.0.11 ends the connection after it has refused a message of the Will's topic."""
    with Folder() as folder:
        for tree in ("millwright/v1/plant1/gw-01/#", "elsewhere/#"):
            rules = pathlib.Path(folder) / "rules"
            rules.write_text(f"topic write {tree}\n")
            rules.chmod(0o644)
            broker = Mosquitto(folder, settings=f"allow_anonymous true\nacl_file {rules}")
            driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", push=20)
            if tree == "elsewhere/#":
                driver.wait_line("lost ")
                driver.kill()
                assert driver.count("ack ") == 0
            else:
                figures = driver.finish()
                assert figures["delivered"] == 20 and figures["failed"] == 0, figures
            broker.stop()
            denied = "Denied PUBLISH" in broker.config.with_suffix(".log").read_text()
            assert denied == (tree == "elsewhere/#")


def files_that_cannot_be_used_stop_the_start():
    with Folder() as folder:
        uri = f"mqtt://127.0.0.1:{free_port()}"
        open_to_all = write_password(folder, "open", "secret\n", 0o644)
        key = write_password(folder, "key", "a private key\n", 0o644)
        ca = write_password(folder, "ca", "x\n", 0o644)
        cases = (("create refused", dict(uri=uri.replace("mqtt:", "mqtts:"), ca=ca, cert=ca, key=key)),
                 ("create refused", dict(uri=uri, username="gw", password_file=open_to_all)),
                 ("create input/output error", dict(uri=uri, username="gw", password_file="/none")),
                 ("create input/output error", dict(uri=uri.replace("mqtt:", "mqtts:"), ca="/none")),
                 ("complaint ca_file - is required", dict(uri=uri.replace("mqtt:", "mqtts:"))))
        for words, options in cases:
            driver = Driver(**options)
            driver.wait_line(words)
            assert driver.process.wait(10) in (1, 78)
            driver.process.stdin.close()


run_all([the_right_broker_is_trusted, the_version_is_1_2_or_newer, mosquitto_says_when_nobody_subscribed,
         mosquitto_says_when_nobody_subscribed_over_tls],
        cases=[the_host_and_the_protocol_are_named_in_the_hello, a_broker_of_another_name_is_refused_in_words,
               a_broker_whose_certificate_has_expired_is_refused_in_words,
               a_broker_of_another_authority_is_refused_in_words, a_client_certificate_is_shown,
               an_access_list_of_the_own_tree_is_enough,
               a_password_opens_and_a_wrong_one_is_told, files_that_cannot_be_used_stop_the_start])
