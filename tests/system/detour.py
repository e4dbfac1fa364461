"""A way to Asterisk's manager that can be blocked: what is sent waits, and no connection breaks, as in a stall."""

import contextlib
import selectors
import socket
import threading


class Detour:
    """Passes bytes between whoever connects to ``port`` and 127.0.0.1:``to_port``; ``open`` is cleared to stall."""

    def __init__(self, to_port: int) -> None:
        self._to = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.open = threading.Event()
        self.open.set()
        self._ended = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._run, name="detour")
        self._thread.start()

    def end(self) -> None:
        """Close everything."""
        self._ended = True
        self.open.set()
        self._thread.join(10)
        for one in (*self._pairs, self._listener):
            one.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ended:
                ready = selector.select(0.1)
                self.open.wait()
                for key, _ in ready:
                    self._pass_on(selector, key.fileobj)

    def _pass_on(self, selector: selectors.BaseSelector, one: object) -> None:
        assert isinstance(one, socket.socket)
        if one is self._listener:
            near, _ = one.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                return
            self._pairs.update({near: far, far: near})
            for end in (near, far):
                selector.register(end, selectors.EVENT_READ)
            return
        if one not in self._pairs:
            return
        try:
            data = one.recv(65536)
            if data:
                self._pairs[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            for end in (one, self._pairs[one]):
                with contextlib.suppress(KeyError):
                    selector.unregister(end)
                self._pairs.pop(end, None)
                end.close()
