"""Pools: from a pool FQDN to an ordered list of front ends."""
