#!/usr/bin/env python3
"""What pier is compared with: the same services on the kernel's TCP with CUBIC. A process for each
connection, so that none waits for another. Prints "ready" when all ports listen.

usage: kernel_server.py ADDRESS [PORT=FILE]...

Port 7 is echo, 9 discard; each PORT answers any request with its FILE, by sendfile.
"""
import os
import selectors
import signal
import socket
import sys

PIECE = 1 << 18


def echo(connection):
    while data := connection.recv(PIECE):
        connection.sendall(data)


def discard(connection):
    space = bytearray(PIECE)
    while connection.recv_into(space):
        pass


def body(path):
    def serve(connection):
        request = b''
        while b'\r\n\r\n' not in request:
            data = connection.recv(PIECE)
            if not data:
                return
            request += data
        with open(path, 'rb') as file:
            size = os.fstat(file.fileno()).st_size
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n'
                               b'Connection: close\r\n\r\n' % size)
            connection.sendfile(file)
    return serve


def listen(address, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic')
    s.bind((address, port))
    s.listen(128)
    return s


def serve(connection, service):
    used = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    if not used.startswith(b'cubic\0'):
        sys.exit(f'congestion control: {used!r}')
    service(connection)
    connection.shutdown(socket.SHUT_WR)
    connection.close()


def main(address, *files):
    services = {7: echo, 9: discard}
    services.update((int(port), body(path)) for port, path in (f.split('=', 1) for f in files))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    selector = selectors.DefaultSelector()
    for port, service in services.items():
        selector.register(listen(address, port), selectors.EVENT_READ, service)
    print('ready', flush=True)
    while True:
        for key, _ in selector.select():
            connection = key.fileobj.accept()[0]
            if not os.fork():
                serve(connection, key.data)
                os._exit(0)
            connection.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
