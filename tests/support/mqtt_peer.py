# SPDX-License-Identifier: Apache-2.0
"""The other end of MQTT 3.1.1 and 5 (OASIS), written from the standard: packets, a subscriber that
records, and a broker whose behaviour is a script. QoS 0 and 1 only."""
import collections
import socket
import struct
import threading

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 1, 2, 3, 4, 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

# MQTT 5 section 2.2.2.2: how each property is written.
PROPERTIES = {1: "byte", 2: "u32", 3: "str", 8: "str", 9: "bin", 11: "var", 17: "u32", 18: "str",
              19: "u16", 21: "str", 22: "bin", 23: "byte", 24: "u32", 25: "byte", 26: "str",
              28: "str", 31: "str", 33: "u16", 34: "u16", 35: "u16", 36: "byte", 37: "byte",
              38: "pair", 39: "u32", 40: "byte", 41: "byte", 42: "byte"}
EXPIRY, CONTENT_TYPE, FORMAT, RECEIVE_MAXIMUM, SERVER_KEEP_ALIVE = 2, 3, 1, 33, 19

Message = collections.namedtuple("Message", "topic payload qos retain properties packet_id dup")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        assert self.at + n <= len(self.data), "packet too short"
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def var(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return value

    def bin(self):
        return self.take(self.u16())

    def str(self):
        return self.bin().decode("utf-8")

    def rest(self):
        return self.take(len(self.data) - self.at)

    def properties(self):
        end = self.var() + self.at
        found = {}
        while self.at < end:
            kind = self.var()
            how = PROPERTIES[kind]
            if how == "pair":
                found.setdefault(kind, []).append((self.str(), self.str()))
            else:
                found[kind] = getattr(self, {"byte": "u8"}.get(how, how))()
        return found


def encode_var(value):
    out = b""
    while True:
        value, byte = value >> 7, value & 127
        out += bytes([byte | (128 if value else 0)])
        if not value:
            return out


def encode_str(text):
    data = text.encode("utf-8")
    return struct.pack(">H", len(data)) + data


def packet(kind, flags, body):
    return bytes([kind << 4 | flags]) + encode_var(len(body)) + body


def read_packet(sock):
    """(kind, flags, body), or None at the end of the stream."""
    def exactly(n):
        data = b""
        while len(data) < n:
            part = sock.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data
    try:
        first = exactly(1)[0]
        length = shift = 0
        while True:
            byte = exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return first >> 4, first & 15, exactly(length)
    except (EOFError, OSError):
        return None


def decode_publish(flags, body, v5):
    r = Reader(body)
    qos = flags >> 1 & 3
    topic = r.str()
    packet_id = r.u16() if qos else 0
    properties = r.properties() if v5 else {}
    return Message(topic, r.rest(), qos, flags & 1, properties, packet_id, flags >> 3)


class Subscriber:
    """Records what matches a filter from the moment of its creation. Subscribes with QoS 0, so that
    the broker hands everything on at once and nothing waits for it."""

    def __init__(self, port, topic="#", username=None, password=None):
        self.messages, self.lock = [], threading.Condition()
        self.topic, self.subscribed = topic, True
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.settimeout(None)
        flags = 2 | (128 | 64 if username else 0)
        body = encode_str("MQTT") + bytes([5, flags, 0, 0, 0]) + encode_str("")
        if username:
            body += encode_str(username) + encode_str(password)
        self.sock.sendall(packet(CONNECT, 0, body))
        kind, _, answer = read_packet(self.sock)
        assert kind == CONNACK and answer[1] == 0, answer
        self.sock.sendall(packet(SUBSCRIBE, 2, b"\0\1\0" + encode_str(topic) + b"\x08"))
        kind, _, answer = read_packet(self.sock)  # retained messages come after it
        assert kind == SUBACK and answer[-1] == 0, answer
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while (got := read_packet(self.sock)) is not None:
            if got[0] == PUBLISH:
                with self.lock:
                    self.messages.append(decode_publish(got[1], got[2], True))
                    self.lock.notify_all()
            elif got[0] == UNSUBACK:
                with self.lock:
                    self.subscribed = False
                    self.lock.notify_all()

    def wait_for(self, condition, timeout=30):
        """Until condition(messages) holds; its value."""
        with self.lock:
            self.lock.wait_for(lambda: condition(self.messages), timeout)
            return condition(self.messages)

    def unsubscribe(self, timeout=30):
        """Returns when the broker has taken note."""
        self.sock.sendall(packet(UNSUBSCRIBE, 2, b"\0\2\0" + encode_str(self.topic)))
        with self.lock:
            assert self.lock.wait_for(lambda: not self.subscribed, timeout)

    def close(self):
        self.sock.close()


class FakeBroker:
    """Listens on a port of its own. script(connection, number) is called in a thread for each
    client after its CONNECT was read; the script says everything else."""

    def __init__(self, script):
        self.script, self.count, self.errors = script, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._serve, args=(sock, self.count), daemon=True).start()

    def _serve(self, sock, number):
        try:
            self.script(Connection(sock), number)
        except (EOFError, ConnectionError):  # the client has gone
            pass
        except Exception as error:  # told by the test, which would otherwise wait in vain
            self.errors.append(repr(error))
        finally:
            sock.close()

    def close(self):
        self.listener.close()


class Connection:
    """One client of a FakeBroker, its CONNECT read."""

    def __init__(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        kind, _, body = read_packet(sock) or (0, 0, b"")
        if kind != CONNECT:
            raise EOFError
        r = Reader(body)
        self.protocol, self.version, self.flags, self.keepalive = r.str(), r.u8(), r.u8(), r.u16()
        self.v5 = self.version == 5
        self.properties = r.properties() if self.v5 else {}
        self.client_id = r.str()
        self.will = None
        if self.flags & 4:
            self.will_properties = r.properties() if self.v5 else {}
            self.will = (r.str(), r.bin(), self.flags >> 3 & 3, self.flags >> 5 & 1)

    def accept(self, reason=0, receive_maximum=None, server_keep_alive=None):
        properties = b""
        if receive_maximum is not None:
            properties = bytes([RECEIVE_MAXIMUM]) + struct.pack(">H", receive_maximum)
        if server_keep_alive is not None:
            properties += bytes([SERVER_KEEP_ALIVE]) + struct.pack(">H", server_keep_alive)
        tail = encode_var(len(properties)) + properties if self.v5 else b""
        self.sock.sendall(packet(CONNACK, 0, bytes([0, reason]) + tail))

    def next_publish(self):
        """The next PUBLISH; pings are answered on the way, the end of the stream raises."""
        while (got := read_packet(self.sock)) is not None:
            if got[0] == PUBLISH:
                return decode_publish(got[1], got[2], self.v5)
            if got[0] == PINGREQ:
                self.sock.sendall(packet(PINGRESP, 0, b""))
        raise EOFError

    def puback(self, packet_id, reason=0):
        body = struct.pack(">H", packet_id)
        if self.v5 and reason:
            body += bytes([reason, 0])
        self.sock.sendall(packet(PUBACK, 0, body))

    def disconnect(self, reason):
        self.sock.sendall(packet(DISCONNECT, 0, bytes([reason, 0])))
