"""The smallest configuration that is valid: to be written, and added to."""

SMALL = """
[proxy]
domains = ["contoso.test"]
[[listen]]
transport = "udp"
address = "127.0.0.5:5060"
"""
