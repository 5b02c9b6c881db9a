"""How much damage passes the checks of the serial protocol? Prints the tables of docs/explanation/reliability.md.

Run it: python tests/benchmarks/undetected_damage.py  (half a minute; the seed is fixed, so the numbers repeat)
"""

from __future__ import annotations

import random

from kdnb.protocol.framing import FramedPacket, Framer
from kdnb.protocol.kdnet import parse_key
from kdnb.protocol.link import LinkFailed, PacketReceived, PacketSent
from kdnb.protocol.packet import encode_packet, make_control, make_data
from kdnb.protocol.packet_ids import IdMeaning, Role, SerialIds
from kdnb.testing import JoinedLinks
from kdnb.transport.faults import FaultRules

SAMPLES = 20_000
FOLLOWING = encode_packet(make_data(3, 0x80800001, b"the next packet, undamaged"))


def packets(generator):
    """An ACK, a request (56 bytes, mostly zeros), and a reply with 1 KB of memory as it looks: half zeros."""
    request = bytearray(56)
    request[:4] = (0x3130).to_bytes(4, "little")
    request[16:24] = (0xFFFFF80000000000 + generator.randrange(1 << 32)).to_bytes(8, "little")
    memory = bytes(generator.choice((0, generator.randrange(256))) for _ in range(1024))
    return {
        "ACK": make_control(4, 0x80800000),
        "request": make_data(2, 0x80800000, bytes(request)),
        "reply, 1 KB": make_data(2, 0x80800000, bytes(request) + memory),
    }


def replace(data, generator, begin, end):
    place = generator.randrange(begin, end)
    return data[:place] + bytes([data[place] ^ generator.randrange(1, 256)]) + data[place + 1 :]


def swap(data, generator):
    while True:
        place = generator.randrange(len(data) - 1)
        if data[place] != data[place + 1]:
            return data[:place] + data[place + 1 : place - 1 if place else None : -1] + data[place + 2 :]


def flip(data, generator, bits):
    for _ in range(bits):
        place = generator.randrange(len(data))
        data = data[:place] + bytes([data[place] ^ 1 << generator.randrange(8)]) + data[place + 1 :]
    return data


def lose(data, generator, count):
    place = generator.randrange(len(data) - count + 1)
    return data[:place] + data[place + count :]


def insert(data, generator):
    place = generator.randrange(1, len(data))
    return data[:place] + bytes([generator.randrange(256)]) + data[place:]


DAMAGE = {
    "one byte replaced": lambda data, g: replace(data, g, 0, len(data)),
    "... in the header": lambda data, g: replace(data, g, 0, 16),
    "... in payload or trailer": lambda data, g: replace(data, g, 16, len(data)) if len(data) > 16 else None,
    "one bit flipped": lambda data, g: flip(data, g, 1),
    "two bits flipped": lambda data, g: flip(data, g, 2),
    "two neighbours swapped": swap,
    "two bytes replaced": lambda data, g: replace(replace(data, g, 0, len(data)), g, 0, len(data)),
    "one byte lost": lambda data, g: lose(data, g, 1),
    "four bytes lost": lambda data, g: lose(data, g, 4),
    "one byte inserted": insert,
}


def undetected(packet, damage, generator):
    """Share of damaged packets that come out as some other packet, valid and with an id that can be."""
    data = encode_packet(packet)
    passed = tried = 0
    for _ in range(SAMPLES):
        changed = damage(data, generator)
        if changed is None:
            return None
        if changed == data:
            continue
        tried += 1
        framer = Framer()
        framed = framer.feed(changed + FOLLOWING) + framer.finish()
        good = [item.packet for item in framed if isinstance(item, FramedPacket) and item.valid]
        passed += any(item != packet and item.payload != b"the next packet, undamaged" and taken(item) for item in good)
    return passed / tried


def taken(packet):
    """Would the link act on it? Impossible ids are asked for again (data) or ignored (ACK)."""
    return packet.packet_type in {5, 6} or SerialIds(Role.HOST).meaning(packet.packet_id) is not IdMeaning.INVALID


def deliver(rules, key=None, count=100):
    """Send requests over a bad line, one at a time; (arrived as sent, wrong without a word, said that it failed)."""
    joined = JoinedLinks(rules, key=key)
    generator = random.Random(rules.seed)
    sent = [b"%04d" % number + generator.randbytes(52) for number in range(count)]
    arrived, state = [], {"next": 0, "failed": False}

    def send_next(_=None):
        if state["next"] < count:
            joined.host.send(2, sent[state["next"]], joined.clock.now)
            state["next"] += 1

    def on_host(event):
        if isinstance(event, LinkFailed):
            state["failed"] = True
        elif isinstance(event, PacketSent):
            send_next()

    joined.on_host = on_host
    joined.on_target = lambda event: arrived.append(event.payload) if isinstance(event, PacketReceived) else None
    send_next()
    joined.run(limit=1e7)
    right = len(set(arrived) & set(sent))
    expected = state["next"] - state["failed"]
    wrong = len([payload for payload in arrived if payload not in sent]) + (len(arrived) - len(set(arrived)))
    return right, wrong + max(expected - right, 0), state["failed"]


def main():
    generator = random.Random(1)
    kinds = packets(generator)
    print(f"| damage ({SAMPLES} of each) | " + " | ".join(kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    for name, damage in DAMAGE.items():
        shares = [undetected(packet, damage, generator) for packet in kinds.values()]
        print(f"| {name} | " + " | ".join("-" if share is None else f"{share:.3%}" for share in shares) + " |")
    print()
    print("| line | rules | packets | arrived | wrong, lost or twice without a word | runs that said they failed |")
    print("|---|---|---|---|---|---|")
    rules = ["damage=0.01", "damage=0.1", "damage=0.3", "drop=0.0005", "drop=0.005", "flip=0.0005", "flip=0.005"]
    for text in [*rules, "dup=0.3", "damage=0.1,dup=0.2,delay=0.1:1.5"]:
        for line, key in (("serial", None), ("KDNET", parse_key("1.2.3.4"))):
            runs = [deliver(FaultRules.parse(f"{text},seed={seed}"), key) for seed in range(20)]
            totals = [sum(run[column] for run in runs) for column in range(3)]
            print(f"| {line} | `{text}` | {20 * 100} | {totals[0]} | {totals[1]} | {totals[2]} of 20 |")


if __name__ == "__main__":
    main()
