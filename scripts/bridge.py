"""bridge.py PORT SOCKET: carries TCP connections on loopback to a unix socket, for test-api.sh."""

import asyncio
import sys


async def carry(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (ConnectionError, OSError, RuntimeError):
        writer.close()


async def serve(reader, writer):
    to_reader, to_writer = await asyncio.open_unix_connection(sys.argv[2])
    await asyncio.gather(carry(reader, to_writer), carry(to_reader, writer))
    to_writer.close()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
