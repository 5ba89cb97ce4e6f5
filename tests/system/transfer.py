#!/usr/bin/env python3
"""One transfer over the kernel's TCP with CUBIC, whatever the kernel's default is: what comes back
is compared byte for byte. Prints JSON: seconds from the SYN to the server's FIN, and bytes received.

usage: transfer.py WHAT LOCAL-ADDRESS ADDRESS PORT FILE BYTES

WHAT  up    the first BYTES of FILE to a discard service, which answers the FIN with its own once it
            has them all
      down  an http service's response, which has to be these bytes
      echo  these bytes to an echo service and back
"""
import json
import mmap
import socket
import sys
import threading
import time

PATIENCE = 200  # seconds without anything sent or received that mean it hangs
REQUEST = b'GET / HTTP/1.1\r\nHost: path\r\nConnection: close\r\n\r\n'


def send(connection, data):
    while data:
        data = data[connection.send(data):]
    connection.shutdown(socket.SHUT_WR)


def receive(connection, data):
    """Until FIN; returns how much came. data is what should come."""
    got = 0
    while piece := connection.recv(1 << 16):
        if piece != data[got:got + len(piece)]:
            raise AssertionError(f'wrong bytes within {len(piece)} from offset {got} on')
        got += len(piece)
    return got


def head(connection):
    """A response's head, and what of the body came with it."""
    got = b''
    while b'\r\n\r\n' not in got:
        piece = connection.recv(1 << 16)
        if not piece:
            raise AssertionError(f'FIN in the response head: {got!r}')
        got += piece
    text, body = got.split(b'\r\n\r\n', 1)
    if not text.startswith(b'HTTP/1.1 200 '):
        raise AssertionError(f'response: {text!r}')
    return body


def transfer(what, connection, data):
    if what == 'down':
        connection.sendall(REQUEST)
        body = head(connection)
        if body != data[:len(body)]:
            raise AssertionError('wrong bytes at the begin of the body')
        return len(body) + receive(connection, data[len(body):])
    sender = threading.Thread(target=send, args=(connection, data), daemon=True)
    sender.start()
    if what == 'up':
        sender.join()  # nothing comes before
    got = receive(connection, data if what == 'echo' else b'')
    sender.join()
    return got


def main(what, local, address, port, path, size):
    size = int(size)
    with open(path, 'rb') as source:
        data = memoryview(mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ))[:size]
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic')
    connection.settimeout(PATIENCE)
    connection.bind((local, 0))
    start = time.monotonic()
    connection.connect((address, int(port)))
    got = transfer(what, connection, data)
    seconds = time.monotonic() - start
    if got != (0 if what == 'up' else size):
        raise AssertionError(f'{got} bytes came back')
    used = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    print(json.dumps({'seconds': seconds, 'congestion': used.split(b'\0')[0].decode()}))


if __name__ == '__main__':
    main(*sys.argv[1:7])
