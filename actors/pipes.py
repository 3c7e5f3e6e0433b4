"""Byte streams over the pipes of a child process, the same on both event loops.

Each stream owns its file descriptor, which it makes non-blocking. A pipe ends for its reader when every process that
inherited its other end has closed it, and a process outside the agent's group may keep one open without end. So
`writers_gone` ends a reader although a writer is left: it then returns what the pipe still holds and ends.
"""

from __future__ import annotations

import os
from typing import IO

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint

__all__ = ["PipeReceiveStream", "PipeSendStream"]


class _Pipe:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        os.set_blocking(file.fileno(), False)

    def close(self) -> None:
        """Close the descriptor at once; a task that waits on it gets `ClosedResourceError`. Repeatable."""
        if not self._file.closed:
            anyio.notify_closing(self._file.fileno())
            self._file.close()

    def _descriptor(self) -> int:
        if self._file.closed:
            raise anyio.ClosedResourceError
        return self._file.fileno()


class PipeReceiveStream(_Pipe, ByteReceiveStream):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._writers_gone = False
        self.heard_at = anyio.current_time()
        """The event loop's time at which the last bytes arrived."""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await checkpoint()
        while True:
            descriptor = self._descriptor()
            try:
                chunk = os.read(descriptor, max_bytes)
            except BlockingIOError:
                if self._writers_gone:
                    raise anyio.EndOfStream from None
            else:
                if not chunk:
                    raise anyio.EndOfStream
                self.heard_at = anyio.current_time()
                return chunk
            try:
                await anyio.wait_readable(descriptor)
            except anyio.ClosedResourceError:
                if not self._writers_gone:
                    raise

    def writers_gone(self) -> None:
        """End the stream where the pipe is empty, even if a writer is left."""
        self._writers_gone = True
        if not self._file.closed:
            anyio.notify_closing(self._file.fileno())

    async def aclose(self) -> None:
        self.close()
        await checkpoint()


class PipeSendStream(_Pipe, ByteSendStream):
    async def send(self, item: bytes) -> None:
        """Write all of `item`. Cancelled before the first byte only if the pipe is full; else it may be cut off.

        Raises:
            BrokenResourceError: the reading end of the pipe is closed.
            ClosedResourceError: the stream is closed.
        """
        rest = memoryview(item)
        while rest:
            descriptor = self._descriptor()
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                await anyio.wait_writable(descriptor)
            except BrokenPipeError as error:
                raise anyio.BrokenResourceError from error
        await cancel_shielded_checkpoint()

    async def aclose(self) -> None:
        self.close()
        await checkpoint()
