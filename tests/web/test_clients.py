"""Whose request it is, by addresses alone."""

import pytest

from gateway.web.clients import Clients, quota_key

TRUSTED = ("127.0.0.0/8", "10.1.2.3", "fd00::/8")


@pytest.mark.parametrize(
    ("address", "forwarded", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # a stranger may say what it likes
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7 ,10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7,,10.1.2.3", "10.1.2.3"),
        ("fd00::1", "2001:DB8::0001", "2001:db8::1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_last_address_that_is_not_trusted_is_the_client(
    address: str, forwarded: str, found: str
):
    """A proxy that is trusted is believed, and nobody else; nonsense ends the way."""
    assert Clients(TRUSTED).find_forwarded(address, forwarded) == found


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_site_has_one_quota(address: str, key: str):
    """Who has a whole IPv6 network to choose addresses from is still one client."""
    assert quota_key(address) == key
