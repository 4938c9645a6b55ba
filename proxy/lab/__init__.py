"""The lab of `waypost lab`: a DNS zone, pool front ends and the old Lookup service.

Like the client (`proxy/journey`) they are independent peers of the proxy: they share
no message code with it, so that a misreading on our side cannot hide behind itself.
"""
