"""The other workers of this node, and the other nodes."""
