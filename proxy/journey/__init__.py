"""A legacy Group Chat client, and what it does when it starts: played, step by step.

The lab, the doctor and the chat probe play it.  It is an independent peer of the proxy
and shares no message code with it, so that a misreading on our side cannot hide behind
itself.
"""
