"""A mail server that stops listening in the midst of a message: prints its port, then
serves one client after another until its input ends.

deaf.py half    refuses the message, will not say more (a half-closed connection), and
                reads no more of it
deaf.py close   refuses the message and closes, with the rest of it unread
deaf.py gone    closes without a word
"""
import select
import socket
import sys
import threading

mode = sys.argv[1]
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(5)
print(server.getsockname()[1], flush=True)
kept = []


def line_of(client):
    line = b""
    while not line.endswith(b"\n"):
        byte = client.recv(1)
        if not byte:
            return line
        line += byte
    return line


def serve(client):
    client.sendall(b"220 deaf\r\n")
    while True:
        verb = line_of(client)[:4].upper()
        if verb == b"DATA":
            break
        client.sendall(b"250 ok\r\n")
    client.sendall(b"354 go\r\n")
    client.recv(100000)
    if mode != "gone":
        client.sendall(b"552 5.3.4 too big\r\n")
    if mode == "half":
        client.shutdown(socket.SHUT_WR)
        kept.append(client)
    else:
        client.close()


while True:
    ready, _, _ = select.select([server, sys.stdin], [], [])
    if sys.stdin in ready and not sys.stdin.buffer.read1(1024):
        break
    if server in ready:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
