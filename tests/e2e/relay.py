"""Something between a client and mcgate that ends one connection and begins another: a tunnel for clients that know no TLS,
or, with a certificate of its own, a man in the middle."""

import asyncio
import contextlib
import threading

import harness


class Relay:
    """Listens on a port of loopback (`port`) and passes all on to `address` by TLS, until stop(). `server_tls` is the
    context that clients meet, without which they meet none; `change` is done to what is on its way to them."""

    def __init__(self, address, server_tls=None, change=lambda data: data):
        self.address, self.change = address, change
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=server_tls))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def _serve(self, from_client, to_client):
        from_server, to_server = await asyncio.open_connection(*self.address, ssl=harness.client_tls(),
                                                               server_hostname="localhost")
        await asyncio.gather(self._pass_on(from_client, to_server, lambda data: data),
                             self._pass_on(from_server, to_client, self.change))

    @staticmethod
    async def _pass_on(source, target, change):
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    target.write(change(data))
                    await target.drain()
            target.close()
        except asyncio.CancelledError:
            target.transport.abort()

    async def _end(self):
        self.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted closes in a turn of its own

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(harness.STOP_TIMEOUT)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(harness.STOP_TIMEOUT)
        self.loop.close()
