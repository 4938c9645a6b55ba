"""The flight recorder: what was said around a call that failed, and the last calls.

Nothing in here decides about a message.  The recorder is told of what came and went and
keeps some of it in bounded memory; before that it masks credentials and bodies.
"""
