#!/usr/bin/env python3
"""Send a file to an echo service and write what comes back, as nc -N does, with a congestion control
of one's choice: the kernel's default may be any. Says on stderr which one was used.

usage: stream_client.py ADDRESS PORT CONGESTION-CONTROL FILE RESULT
"""
import socket
import sys
import threading


def send(connection, path):
    with open(path, 'rb') as source:
        connection.sendfile(source)
    connection.shutdown(socket.SHUT_WR)


def main(address, port, control, path, result):
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
    connection.connect((address, int(port)))
    used = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    print('congestion control:', used.split(b'\0')[0].decode(), file=sys.stderr)
    sender = threading.Thread(target=send, args=(connection, path))
    sender.start()
    with open(result, 'wb') as sink:
        while data := connection.recv(1 << 16):
            sink.write(data)
    sender.join()


if __name__ == '__main__':
    main(*sys.argv[1:6])
