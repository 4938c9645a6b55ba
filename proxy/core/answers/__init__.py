"""Responses of our own making: answers, refusals, delayed answers."""
