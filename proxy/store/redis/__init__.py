"""The store that several machines share: one Redis, its transactions in Lua."""
