"""The few calls of NVIDIA's driver that move arrays to a card and back, without a framework.

They come from the driver itself (libcuda.so.1), which is wherever a card works, on a server as on
a Jetson. It is asked first whether there is a card: TensorRT's runtime crashes the process where
there is no driver.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

LIBRARY = "libcuda.so.1"
MEGABYTE = 1 << 20


class NoCardError(RuntimeError):
    """There is no driver or no card that answers; the text says which."""


class CardError(RuntimeError):
    """The driver refused something; "out of memory" stands in the text when that is why."""


OUT_OF_MEMORY = 2
"""CUDA_ERROR_OUT_OF_MEMORY."""


@dataclass(slots=True)
class Room:
    """Memory on the card: where it lies and how large it is, in bytes."""

    address: int
    size: int


class Card:
    """The first card that this process may see, and its primary context."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401
        """`driver` is the library, initialised."""
        self._driver = driver
        self._device = ctypes.c_int()
        context = ctypes.c_void_p()
        self._must(driver.cuDeviceGet(ctypes.byref(self._device), 0), "find the card")
        retained = driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), self._device)
        self._must(retained, "open the card")
        self._must(driver.cuCtxSetCurrent(context), "open the card")
        name = ctypes.create_string_buffer(100)
        self._must(driver.cuDeviceGetName(name, 100, self._device), "name the card")
        self.name = name.value.decode("ascii", "replace")

    def room(self, size: int) -> Room:
        """Take memory on the card."""
        address = ctypes.c_uint64()
        self._must(self._driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)), "take")
        return Room(int(address.value), size)

    def release(self, room: Room) -> None:
        """Give memory back."""
        self._must(self._driver.cuMemFree_v2(ctypes.c_uint64(room.address)), "give back memory")

    def send(self, array: np.ndarray, room: Room) -> None:
        """Copy an array to the card."""
        source, size = array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.nbytes)
        copied = self._driver.cuMemcpyHtoD_v2(ctypes.c_uint64(room.address), source, size)
        self._must(copied, "copy to the card")

    def fetch(self, room: Room, array: np.ndarray) -> None:
        """Copy from the card into an array, once all work on it is done."""
        self._must(self._driver.cuCtxSynchronize(), "work")
        target, size = array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.nbytes)
        copied = self._driver.cuMemcpyDtoH_v2(target, ctypes.c_uint64(room.address), size)
        self._must(copied, "copy from the card")

    def used_mb(self) -> float:
        """Say how much of the card's memory is taken, by anybody."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        asked = self._driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        self._must(asked, "tell its memory")
        return (total.value - free.value) / MEGABYTE

    def close(self) -> None:
        """Let go of the card."""
        self._driver.cuDevicePrimaryCtxRelease_v2(self._device)

    def _must(self, code: int, what: str) -> None:
        if code == OUT_OF_MEMORY:
            raise CardError(f"CUDA out of memory (could not {what})")
        if code:
            raise CardError(f"the card could not {what} (CUDA error {code})")


def open_card(library: str = LIBRARY) -> Card:
    """Open the first card.

    Raises:
        NoCardError: there is none, or no driver.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise NoCardError("there is no NVIDIA driver") from error
    code = driver.cuInit(0)
    if code:
        raise NoCardError(f"the NVIDIA driver finds no card (CUDA error {code})")
    return Card(driver)
