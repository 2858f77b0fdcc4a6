"""A name server for the specs: prints its port, then answers until its input ends.

dns.py NAME=ADDRESS[,ADDRESS]... Names that are not given do not exist; those with
no address are not answered, those with "servfail" are.
"""
import ipaddress
import select
import socket
import struct
import sys

names = dict(argument.split("=", 1) for argument in sys.argv[1:])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)


def question_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += query[at] + 1
    return ".".join(labels).lower(), query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]


def answer(query):
    name, question, kind = question_of(query)
    code, records = 0, b""
    found = names.get(name)
    if found == "":
        return None
    if found is None or found == "servfail":
        code = 2 if found else 3
        count = 0
    else:
        addresses = [ipaddress.ip_address(word) for word in found.split(",")]
        packed = [a.packed for a in addresses if a.version == {1: 4, 28: 6}.get(kind)]
        count = len(packed)
        for data in packed:
            records += struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(data)) + data
    return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0) + question + records


while True:
    ready, _, _ = select.select([server, sys.stdin], [], [])
    if sys.stdin in ready and not sys.stdin.buffer.read1(1024):
        break
    if server in ready:
        query, client = server.recvfrom(512)
        reply = answer(query)
        if reply:
            server.sendto(reply, client)
