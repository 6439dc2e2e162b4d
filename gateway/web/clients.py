"""Clients: whose request it is, by addresses alone, also behind proxies that are trusted."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import chain

from aiohttp import web

_SITE_BITS = 64  # of an IPv6 address; the rest is the client's own to choose (RFC 4291, 2.5.4)
_FORWARDED = "X-Forwarded-For"


class Clients:
    """Tells clients apart.

    Parameters
    ----------
    trusted_proxies : sequence of str
        Addresses and networks whose X-Forwarded-For is believed.
    """

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [ip_network(network) for network in trusted_proxies]

    def find(self, request: web.Request) -> str:
        """Give the address that a request comes from; empty if nobody can say."""
        address = request.remote or ""
        if self._trusted:
            lines = request.headers.getall(_FORWARDED, ())
            return self.find_forwarded(address, ",".join(lines))
        return address

    def find_forwarded(self, address: str, forwarded: str) -> str:
        """Give the last address on the way here that is no trusted proxy's.

        Parameters
        ----------
        address : str
            Who has connected to us.
        forwarded : str
            X-Forwarded-For: each proxy has added to its end who had connected to it. What stands
            before the first that is not trusted may be anybody's invention.
        """
        way = (each.strip() for each in reversed(forwarded.split(",")))
        for each in chain([address], way):
            found = _parse(each)
            if found is None:
                break
            address = str(found)
            if not any(found in network for network in self._trusted):
                break
        return address


@lru_cache(maxsize=1024)
def quota_key(address: str) -> str:
    """Give what shares one quota with an address: the network of its site if it is IPv6."""
    found = _parse(address)
    if not isinstance(found, IPv6Address):
        return address
    return str(ip_network((found.packed, _SITE_BITS), strict=False))


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
