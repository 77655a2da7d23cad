"""Sessions that Holdover keeps in Redis, from Python: a small client, written from docs/redis-protocol.md.

    session.py ADDR PREFIX SHARDS LUA_DIR MANAGER COMMAND [ARGUMENT...]

Values are those of a manager with the JSON codec. Each command prints one line of JSON.
"""

import hashlib
import json
import os
import struct
import sys
import time
import uuid
import zlib

import redis

HEAD = 128
GRACE_MS = 24 * 60 * 60 * 1000
RESERVE_US = 500_000
QUEUE_MS = 60_000
FORMAT = 1


class Gone(Exception):
    """There is no such session, or it has expired."""


class Moved(Exception):
    """The session has another id now."""


class Refused(Exception):
    """The script said no; the reply is the argument."""


def escape(manager):
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/"
    return "".join(chr(c) if c in plain else "%%%02X" % c for c in manager.encode())


def new_id():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return "".join(alphabet[b % 32] for b in os.urandom(30))


def encode_items(values):
    out = b""
    for name, value in values.items():
        name, data = name.encode(), json.dumps(value).encode()
        out += struct.pack(">II", len(name), len(data)) + name + data
    return out


def encode_names(names):
    return b"".join(struct.pack(">I", len(n.encode())) + n.encode() for n in names)


def decode(stored):
    """Takes a stored session apart. It does not ask whether it has expired."""
    if len(stored) < HEAD or stored[:4] != b"HSS1":
        raise ValueError("not a session")
    version, created, accessed, idle, ends = struct.unpack_from(">QQQQQ", stored, 4)
    count, size = struct.unpack_from(">II", stored, 60)
    values, pos = {}, HEAD
    for _ in range(count):
        n, d = struct.unpack_from(">II", stored, pos)
        pos += 8
        values[stored[pos:pos + n].decode()] = json.loads(stored[pos + n:pos + n + d])
        pos += n + d
    if pos != len(stored) or pos != HEAD + size:
        raise ValueError("damaged items")
    return {"version": version, "created": created, "accessed": accessed, "idle": idle, "ends": ends,
            "fence": stored[44:52].hex(), "values": values}


def expiry(session):
    at = [session["accessed"] + session["idle"] // 1000] if session["idle"] else []
    at += [session["ends"]] if session["ends"] else []
    return min(at) if at else None


class Sessions:
    def __init__(self, server, prefix, shards, lua, manager):
        self.redis, self.prefix, self.shards, self.lua, self.manager = server, prefix, shards, lua, manager
        self.channel = prefix + "wake:" + str(uuid.uuid4())
        if self.call("meta", [prefix + "meta"], FORMAT, shards, prefix + "wake:") != [FORMAT, shards]:
            raise Refused("others use another format or number of shards")

    def text(self, name):
        out = ""
        with open(os.path.join(self.lua, name + ".lua"), newline="") as f:
            for line in f:
                out += self.text(line.split()[2]) if line.startswith("-- include: ") else line
        return out

    def call(self, script, keys, *args):
        text = self.text(script)
        try:
            return self.redis.evalsha(hashlib.sha1(text.encode()).hexdigest(), len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self.redis.eval(text, len(keys), *keys, *args)

    def ask(self, script, keys, *args):
        """Calls a script for one session and makes exceptions of the replies that say no."""
        reply = self.call(script, keys, *args)
        if reply is None:
            raise Gone()
        if isinstance(reply, list) and isinstance(reply[0], bytes):
            if reply[0] == b"moved":
                raise Moved(reply[1].decode())
            raise Refused(*reply)
        return reply

    def shard(self, id):
        return zlib.crc32(id.encode()) % self.shards

    def key(self, kind, id):
        place = "%s{%s.%02x}:" % (self.prefix, escape(self.manager), self.shard(id))
        return place + kind + (":" + id if kind in ("s", "q") else "")

    def keys(self, id, *kinds):
        return [self.key(kind, id) for kind in kinds]

    def read(self, id):
        """Reads natively, which is no access."""
        stored, (seconds, micros) = self.redis.pipeline(transaction=False).get(self.key("s", id)).time().execute()
        now = seconds * 1_000_000 + micros
        if stored is None:
            raise Gone()
        if stored[:4] == b"HSF1":
            if now < struct.unpack_from(">Q", stored, 36)[0]:
                raise Moved(stored[HEAD:].decode())
            raise Gone()
        session = decode(stored)
        at = expiry(session)
        if at is not None and now >= at:
            raise Gone()
        return session

    def load(self, id, touch_us):
        return decode(self.ask("load", self.keys(id, "s", "i"), id, GRACE_MS, touch_us))

    def create(self, values, idle_ns):
        id = new_id()
        self.ask("create", self.keys(id, "s", "i", "e"), id, GRACE_MS, os.urandom(8), 0, idle_ns, 0,
                 len(values), encode_items(values))
        return id

    def save(self, id, changed=None, deleted=(), nonce=None, repeat=0, base=0, version=0, fence=b""):
        kinds = ("s", "i", "q") if fence else ("s", "i")
        return self.ask("save", self.keys(id, *kinds), id, GRACE_MS, nonce or os.urandom(8), repeat, base, version,
                        fence, RESERVE_US, "", 0, 0, 0, b"", encode_items(changed or {}), encode_names(deleted))

    def entry(self, fence):
        return fence + b"s" + self.channel.encode()

    def lock(self, id, fence, lease_us, waited=False):
        """Returns the session, locked."""
        kinds = ("s", "i", "q") if waited else ("s", "i")
        self.ask("lock", self.keys(id, *kinds), id, GRACE_MS, 0, fence, lease_us, self.entry(fence))
        return decode(self.redis.get(self.key("s", id)))

    def lock_waiting(self, id, fence, lease_us, patience):
        """Returns the session, locked, and how often this stood in line for it."""
        pubsub = self.redis.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(self.channel)
        stood, give_up = 0, time.monotonic() + patience
        while True:
            try:
                return self.lock(id, fence, lease_us, waited=stood > 0), stood
            except Refused as e:
                if e.args[0] != b"locked" or time.monotonic() > give_up:
                    self.call("unlock", self.keys(id, "s", "q"), fence, RESERVE_US, self.entry(fence))
                    raise
            if not isinstance(self.call("wait", self.keys(id, "s", "q"), fence, self.entry(fence), QUEUE_MS), int):
                continue
            stood += 1
            pubsub.get_message(timeout=0.5)

    def rotate(self, id, forward_us):
        new = new_id()
        while self.shard(new) != self.shard(id):
            new = new_id()
        self.ask("rotate", self.keys(id, "s", "i", "e", "q") + [self.key("s", new)], id, new, forward_us, "", os.urandom(8))
        return new

    def delete(self, id):
        return decode(self.ask("delete", self.keys(id, "s", "i", "q"), id))

    def ids(self):
        found = []
        for shard in range(self.shards):
            place = "%s{%s.%02x}:" % (self.prefix, escape(self.manager), shard)
            found += [id.decode() for id in self.call("list", [place + "i"], "ids", place + "s:")]
        return sorted(found)


def say(**what):
    print(json.dumps(what, sort_keys=True), flush=True)


def hold(sessions, id, name, value):
    """Takes the lock, says so, and saves when a line comes in."""
    fence = os.urandom(8)
    before = sessions.lock(id, fence, 10_000_000)
    say(values=before["values"])
    sys.stdin.readline()
    say(version=sessions.save(id, {name: value}, base=before["version"], fence=fence))


def increment(sessions, id, name):
    """Adds one under the lock, for which it waits."""
    fence = os.urandom(8)
    session, stood = sessions.lock_waiting(id, fence, 10_000_000, patience=10)
    value = session["values"].get(name, 0) + 1
    version = sessions.save(id, {name: value}, base=session["version"], fence=fence)
    say(version=version, value=value, stood=stood)


def twice(sessions, id, name, value):
    """Saves as if the first reply had been lost."""
    nonce, base = os.urandom(8), sessions.read(id)["version"]
    first = sessions.save(id, {name: value}, nonce=nonce, base=base)
    say(first=first, again=sessions.save(id, {name: value}, nonce=nonce, base=base, repeat=1))


def run(sessions, command, *args):
    if command == "read":
        say(**sessions.read(args[0]))
    elif command == "load":
        say(**sessions.load(args[0], 0))
    elif command == "set":
        say(version=sessions.save(args[0], {args[1]: json.loads(args[2])}, args[3:]))
    elif command == "set-version":
        say(version=sessions.save(args[0], {args[1]: json.loads(args[2])}, version=int(args[3])))
    elif command == "twice":
        twice(sessions, args[0], args[1], json.loads(args[2]))
    elif command == "create":
        say(id=sessions.create(json.loads(args[0]), int(args[1])))
    elif command == "hold":
        hold(sessions, args[0], args[1], json.loads(args[2]))
    elif command == "increment":
        increment(sessions, args[0], args[1])
    elif command == "rotate":
        say(id=sessions.rotate(args[0], int(args[1])))
    elif command == "delete":
        say(**sessions.delete(args[0]))
    elif command == "list":
        say(ids=sessions.ids())
    else:
        raise SystemExit("no command " + command)


def main(address, prefix, shards, lua, manager, command, *args):
    host, port = address.rsplit(":", 1)
    server = redis.Redis(host=host, port=int(port), socket_timeout=10)
    try:
        run(Sessions(server, prefix, int(shards), lua, manager), command, *args)
    except Gone:
        say(gone=True)
    except Moved as e:
        say(moved=str(e))
    except Refused as e:
        say(refused=[r.decode(errors="replace") if isinstance(r, bytes) else r for r in e.args])


main(*sys.argv[1:])
