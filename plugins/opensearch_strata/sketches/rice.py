"""Numbers in few bits, with the highest bit of a byte first: the Rice codes of the sketch's wire form. Pure."""

from __future__ import annotations

# A quotient of at least this is written as this many ones, followed by its excess in an Elias gamma code.
_ESCAPE = 12
# No number has more bits, so reading damaged bytes ends early.
_LONGEST = 63


class BitWriter:
    """Appends numbers to bytes.

    :param data: the bytes that come before them
    """

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)
        self._bits: list[str] = []

    def varint(self, number: int) -> None:
        """Append in unsigned LEB128: 7 bits per byte, lowest first. Only allowed before the first Rice code."""
        while number > 127:
            self._data.append(number & 127 | 128)
            number >>= 7
        self._data.append(number)

    def rice(self, number: int, k: int) -> None:
        """Append a Rice code (Rice, Plaunt 1971): the quotient in ones, a zero, then the k lowest bits.

        The number must not be negative.
        """
        quotient = number >> k
        if quotient < _ESCAPE:
            self._bits.append("1" * quotient + "0")
        else:
            excess = f"{quotient - _ESCAPE + 1:b}"
            self._bits.append("1" * _ESCAPE + "0" * (len(excess) - 1) + excess)
        if k:
            self._bits.append(f"{number & (1 << k) - 1:0{k}b}")

    def finished(self) -> bytes:
        """All bytes. The last one is padded with ones, which cannot begin a code that would end there."""
        bits = "".join(self._bits)
        bits += "1" * (-len(bits) % 8)
        return bytes(self._data) + int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


class BitReader:
    """Reads what a :class:`BitWriter` wrote.

    :param start: where the numbers begin
    """

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._start = start
        self._bits = ""
        self._at = 0

    def varint(self) -> int:
        """Read a number in unsigned LEB128.

        :raises IndexError: the number does not end
        """
        number = shift = 0
        while self._data[self._start] > 127:
            if shift + 7 >= _LONGEST:
                raise IndexError("no end")
            number |= (self._data[self._start] & 127) << shift
            shift += 7
            self._start += 1
        number |= self._data[self._start] << shift
        self._start += 1
        rest = self._data[self._start :]
        self._bits = f"{int.from_bytes(rest, 'big'):0{8 * len(rest)}b}" if rest else ""
        return number

    def at_end(self) -> bool:
        """Whether only padding is left."""
        return len(self._bits) - self._at < 8 and "0" not in self._bits[self._at :]

    def rice(self, k: int) -> int:
        """Read the next number.

        :raises IndexError: the number does not end
        """
        start = self._at
        while self._at - start < _ESCAPE and self._bits[self._at] == "1":
            self._at += 1
        quotient = self._at - start
        if quotient < _ESCAPE:
            self._at += 1
        else:
            one = self._at
            while self._bits[one] == "0" and one - self._at < _LONGEST:
                one += 1
            quotient += int(self._take(2 * (one - self._at) + 1), 2) - 1
        return quotient << k | (int(self._take(k), 2) if k else 0)

    def _take(self, count: int) -> str:
        taken = self._bits[self._at : self._at + count]
        if len(taken) < count:
            raise IndexError("no end")
        self._at += count
        return taken
