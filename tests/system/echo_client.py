#!/usr/bin/env python3
"""N connections at a time to an echo service, each with its own random bytes, all open before the
first is closed. Prints how many came back right; exits with 1 if one did not.

usage: echo_client.py ADDRESS PORT CONNECTIONS BYTES
"""
import asyncio
import random
import sys


async def one(address, port, data, everybody_is_there):
    reader, writer = await asyncio.open_connection(address, port)
    try:
        await everybody_is_there()
        half = len(data) // 2
        writer.write(data[:half])
        back = await reader.readexactly(half)
        writer.write(data[half:])
        writer.write_eof()
        back += await reader.read(-1)
        return back == data
    finally:
        writer.close()


async def main(address, port, connections, size):
    there, all_there = 0, asyncio.Event()

    async def everybody_is_there():
        nonlocal there
        there += 1
        if there == connections:
            all_there.set()
        await all_there.wait()

    source = random.Random(connections)
    results = await asyncio.wait_for(asyncio.gather(
        *(one(address, port, source.randbytes(size), everybody_is_there)
          for _ in range(connections)), return_exceptions=True), 240)
    right = results.count(True)
    print(f'{right} of {connections} right')
    for result in {repr(r) for r in results if r is not True}:
        print(result)
    return 0 if right == connections else 1


if __name__ == '__main__':
    sys.exit(asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5]))))
