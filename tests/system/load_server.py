#!/usr/bin/env python3
"""A server that does one thing, on port 80, for any number of connections.

usage: load_server.py ADDRESS HOW

HOW: stall    answers, but not from one to two and a half seconds after the first request
     silent   never answers
     cut      closes in the middle of an answer
     nonsense answers something that is no HTTP
     twice    answers each request twice
     open     answers once and does not close, whatever is asked
     garble   sends back what comes with one bit changed
     thrice   sends what comes three times
     slow     sends its answers a few bytes at a time
     sip      reads what comes, 2 KB each 50 ms, and answers nothing
     leave    answers the first of what comes, says that it closes, and does, whatever else was asked
"""
import selectors
import socket
import sys
import time

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'


class Server:
    def __init__(self, address, how):
        self.how, self.first, self.left = how, None, set()
        self.selector = selectors.DefaultSelector()
        listener = socket.create_server((address, 80), backlog=1024)
        self.selector.register(listener, selectors.EVENT_READ)
        self.listener = listener

    def stall(self):
        self.first = self.first or time.monotonic()
        into = time.monotonic() - self.first
        if 1 < into < 2.5:
            time.sleep(2.5 - into)

    def answer(self, connection, requests, data):
        if self.how == 'stall':
            self.stall()
            connection.sendall(ANSWER * requests)
        elif self.how == 'cut':
            connection.sendall(ANSWER[:-2])
            self.selector.unregister(connection)
            connection.close()
        elif self.how == 'leave' and connection not in self.left:
            time.sleep(0.005)
            connection.sendall(ANSWER.replace(b'OK', b'OK\r\nConnection: close'))
            connection.shutdown(socket.SHUT_WR)
            self.left.add(connection)
        elif self.how == 'nonsense':
            connection.sendall(b'220 ready\r\n\r\n')
        elif self.how == 'twice':
            connection.sendall(ANSWER * requests * 2)
        elif self.how == 'open':
            connection.sendall(ANSWER * requests)
        elif self.how == 'garble':
            connection.sendall(data[:-1] + bytes([data[-1] ^ 1]))
        elif self.how == 'thrice':
            connection.sendall(data * 3)
        elif self.how == 'slow':
            for at in range(0, len(ANSWER), 7):
                connection.sendall(ANSWER[at:at + 7])
                time.sleep(0.002)

    def serve(self, connection):
        try:
            if self.how == 'sip':
                time.sleep(0.05)
            data = connection.recv(2048 if self.how == 'sip' else 65536)
            if data:
                self.answer(connection, data.count(b'\r\n\r\n'), data)
                return
        except OSError:
            pass
        self.left.discard(connection)
        self.selector.unregister(connection)
        connection.close()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is not self.listener:
                    self.serve(key.fileobj)
                    continue
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.selector.register(connection, selectors.EVENT_READ)


Server(sys.argv[1], sys.argv[2]).run()
