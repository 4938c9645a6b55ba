"""The endpoint table: which legacy URI goes to which pool."""
