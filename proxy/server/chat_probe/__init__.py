"""The chat probe: a client's whole chat start, played on a schedule."""
