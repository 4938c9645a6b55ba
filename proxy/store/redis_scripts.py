"""The Lua of the Redis store: each text is one transaction.

Redis runs a script alone and logs it to disk as a whole, so what a script does is done
completely or not at all.  Every key begins with ``{waypost}:`` (one hash slot).  Every
script first makes sure that this is still the store that was opened: a Redis that came
back empty must not be taken for one where everything was removed.  What other nodes
must hear of is told in the stream ``changes``, in the same transaction: the number of
an entry is never given again, so a node sees whether the last one it knows is part of
this past.

``ARGV[1]`` is the store's identity; numbers with a fraction travel as text, because
Lua would round them.
"""

from typing import Final

PREFIX: Final = "{waypost}:"
LOST: Final = "WAYPOSTLOST"
CHANGES: Final = 20_000
"""Changes that the stream keeps: who has missed more loads everything again."""

SET_UP: Final = r"""
local meta = KEYS[1] .. 'meta'
if redis.call('EXISTS', meta) == 0 then
  redis.call('HSET', meta, 'schema', ARGV[1], 'identity', ARGV[2], 'hmac_key', ARGV[3],
    'table_version', 0, 'rows_version', 0, 'registrar_version', 0,
    'audit_number', 0, 'usage_rows', 0)
end
if tonumber(redis.call('HGET', meta, 'schema')) < 2 then
  redis.call('HSET', meta, 'schema', 2)
end
if redis.call('EXISTS', KEYS[1] .. 'changes') == 0 then
  redis.call('XADD', KEYS[1] .. 'changes', '*', 's', '')
end
return redis.call('HMGET', meta, 'schema', 'identity', 'hmac_key')
"""

_PRELUDE: Final = (
    r"""
local P = KEYS[1]
local meta = P .. 'meta'
if redis.call('HGET', meta, 'identity') ~= ARGV[1] then
  return redis.error_reply('"""
    + LOST
    + r""" the store')
end
local function audit(key, row)
  local number = redis.call('HINCRBY', meta, 'audit_number', 1)
  local version = redis.call('HGET', meta, 'table_version')
  redis.call('HSET', P .. 'audit', number, version .. '\n' .. row)
  redis.call('RPUSH', P .. 'audit:' .. key, number)
end
local function forget(key)
  local old = redis.call('HGET', P .. 'learned', key)
  if old then
    local endpoint = string.match(old, '^[^\n]*\n([^\n]*)\n')
    redis.call('SREM', P .. 'learned:of:' .. endpoint, key)
  end
  redis.call('HDEL', P .. 'learned', key)
  redis.call('ZREM', P .. 'learned:used', key)
end
local function tell(...)
  redis.call('XADD', P .. 'changes', 'MAXLEN', '~', '"""
    + str(CHANGES)
    + r"""', '*', ...)
end
local function tell_bindings(origin, fields)
  for i = 1, #fields, 500 do
    local words = {'o', origin}
    for j = i, math.min(i + 499, #fields) do
      words[#words + 1] = 'b'
      words[#words + 1] = fields[j]
    end
    tell(unpack(words))
  end
end
local function unbind(field)
  redis.call('HDEL', P .. 'bindings', field)
  redis.call('ZREM', P .. 'bindings:expiry', field)
  redis.call('ZREM', P .. 'bindings:names', field)
end
"""
)

# A value that nobody reads.
TRY_WRITE: Final = (
    _PRELUDE
    + r"""
redis.call('SET', P .. 'probe', ARGV[2])
return 1
"""
)

# Whether learned URIs are wanted.  A script and no MULTI: a Redis without memory still
# runs scripts that only read.
READ_TABLE: Final = (
    _PRELUDE
    + r"""
local newest = -1
for _, number in ipairs(redis.call('HKEYS', P .. 'cutovers')) do
  newest = math.max(newest, tonumber(number))
end
local learned, used = {}, {}
if ARGV[2] == '1' then
  learned = redis.call('HGETALL', P .. 'learned')
  used = redis.call('ZRANGE', P .. 'learned:used', 0, -1, 'WITHSCORES')
end
return {
  redis.call('HGET', meta, 'table_version'),
  redis.call('HGET', meta, 'rows_version'),
  redis.call('HVALS', P .. 'endpoints'),
  redis.call('HVALS', P .. 'pools'),
  redis.call('HGET', P .. 'cutovers', string.format('%d', newest)),
  learned,
  used,
}
"""
)

# The newest entry that is known, who asks, how many bindings at least to stop at.
# Answers the newest entry read, and what changed after the known one: nil when that
# is not there any more (too old, or lost in a failover).  Bindings that the asker
# saved itself are left out; the others come as they are now.
NEWS: Final = (
    _PRELUDE
    + r"""
local stream, known = P .. 'changes', ARGV[2]
local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
if #newest == 0 then return redis.error_reply('"""
    + LOST
    + r""" the changes') end
if newest[1][1] == known then return {known, 0, 0, {}, {}} end
if known == '' or #redis.call('XRANGE', stream, known, known) == 0 then
  return {newest[1][1]}
end
local is_table, is_users, fields, seen = 0, 0, {}, {}
local entries = redis.call('XRANGE', stream, '(' .. known, '+', 'COUNT', 1000)
for _, entry in ipairs(entries) do
  local words, origin = entry[2], nil
  for i = 1, #words, 2 do
    local kind, value = words[i], words[i + 1]
    if kind == 't' then is_table = 1
    elseif kind == 'u' then is_users = 1
    elseif kind == 'o' then origin = value
    elseif kind == 'b' and origin ~= ARGV[3] and not seen[value] then
      seen[value] = true
      fields[#fields + 1] = value
    end
  end
  known = entry[1]
  if #fields >= tonumber(ARGV[4]) then break end
end
local values = {}
for i, field in ipairs(fields) do
  values[i] = redis.call('HGET', P .. 'bindings', field)
end
return {known, is_table, is_users, fields, values}
"""
)

# AORs; for each one the value of a learned URI, and its bindings.
LOOK_UP: Final = (
    _PRELUDE
    + r"""
local found = {}
for i = 2, #ARGV do
  local aor, values = ARGV[i], {}
  for _, field in ipairs(redis.call('ZRANGEBYLEX', P .. 'bindings:names',
      '[' .. aor .. '\n', '(' .. aor .. '\011')) do
    values[#values + 1] = redis.call('HGET', P .. 'bindings', field)
  end
  found[#found + 1] = redis.call('HGET', P .. 'learned', aor)
  found[#found + 1] = values
end
return found
"""
)

# Expected rows_version, then per row: table, key, body ('' removes), audit row.
CHANGE: Final = (
    _PRELUDE
    + r"""
if redis.call('HGET', meta, 'rows_version') ~= ARGV[2] then return -1 end
redis.call('HINCRBY', meta, 'rows_version', 1)
local version = redis.call('HINCRBY', meta, 'table_version', 1)
for i = 3, #ARGV, 4 do
  local name, key, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if body ~= '' then
    redis.call('HSET', P .. name, key, body)
  else
    redis.call('HDEL', P .. name, key)
    if name == 'endpoints' then
      local learned = redis.call('SMEMBERS', P .. 'learned:of:' .. key)
      for _, each in ipairs(learned) do forget(each) end
    end
  end
  audit(key, ARGV[i + 3])
end
tell('t', version)
return version
"""
)

# Key, pool, endpoint, instant, value.
LEARN: Final = (
    _PRELUDE
    + r"""
local key, pool, endpoint, now = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local old = redis.call('HGET', P .. 'learned', key)
local claim = pool .. '\n' .. endpoint .. '\n'
if old and string.sub(old, 1, #claim) == claim then
  redis.call('ZADD', P .. 'learned:used', 'XX', 'GT', now, key)
  return 0
end
if redis.call('HEXISTS', P .. 'endpoints', endpoint) == 0 then return 0 end
forget(key)
redis.call('HSET', P .. 'learned', key, ARGV[6])
redis.call('ZADD', P .. 'learned:used', now, key)
redis.call('SADD', P .. 'learned:of:' .. endpoint, key)
tell('t', redis.call('HINCRBY', meta, 'table_version', 1))
return 1
"""
)

# Instant and key, repeated.
TOUCH_LEARNED: Final = (
    _PRELUDE
    + r"""
for i = 2, #ARGV, 2 do
  redis.call('ZADD', P .. 'learned:used', 'XX', 'GT', ARGV[i], ARGV[i + 1])
end
"""
)

# Instant; at most 1000 at a time, so that nobody waits for long.
FORGET_LEARNED: Final = (
    _PRELUDE
    + r"""
local gone = redis.call('ZRANGEBYSCORE', P .. 'learned:used', '-inf',
  '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, key in ipairs(gone) do forget(key) end
if #gone > 0 then tell('t', redis.call('HINCRBY', meta, 'table_version', 1)) end
return #gone
"""
)

# Who saves, then per contact: field, expiry ('' removes), value.
SAVE_BINDINGS: Final = (
    _PRELUDE
    + r"""
local fields = {}
for i = 3, #ARGV, 3 do
  local field, expiry = ARGV[i], ARGV[i + 1]
  fields[#fields + 1] = field
  if expiry == '' then
    unbind(field)
  else
    redis.call('HSET', P .. 'bindings', field, ARGV[i + 2])
    redis.call('ZADD', P .. 'bindings:expiry', expiry, field)
    redis.call('ZADD', P .. 'bindings:names', 0, field)
  end
end
tell_bindings(ARGV[2], fields)
"""
)

# AOR, instant, audit row; what was live.
REMOVE_BINDINGS: Final = (
    _PRELUDE
    + r"""
local fields = redis.call('ZRANGEBYLEX', P .. 'bindings:names',
  '[' .. ARGV[2] .. '\n', '(' .. ARGV[2] .. '\011')
local live = {}
for _, field in ipairs(fields) do
  local expiry = redis.call('ZSCORE', P .. 'bindings:expiry', field)
  if tonumber(expiry) > tonumber(ARGV[3]) then
    live[#live + 1] = redis.call('HGET', P .. 'bindings', field)
  end
  unbind(field)
end
if #live > 0 then
  audit(ARGV[2], ARGV[4])
  redis.call('HINCRBY', meta, 'registrar_version', 1)
  tell_bindings('', fields)
end
return live
"""
)

# Instant; at most 1000 at a time.
FORGET_BINDINGS: Final = (
    _PRELUDE
    + r"""
local gone = redis.call('ZRANGEBYSCORE', P .. 'bindings:expiry', '-inf',
  '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, field in ipairs(gone) do unbind(field) end
return #gone
"""
)

# Name, body ('' removes), audit row.
SET_USER: Final = (
    _PRELUDE
    + r"""
if ARGV[3] ~= '' then
  redis.call('HSET', P .. 'users', ARGV[2], ARGV[3])
elseif redis.call('HDEL', P .. 'users', ARGV[2]) == 0 then
  return 0
end
audit(ARGV[2], ARGV[4])
tell('u', redis.call('HINCRBY', meta, 'registrar_version', 1))
return 1
"""
)

# Field, first, last, count, rest, how many to keep.
NOTE_CONFLICT: Final = (
    _PRELUDE
    + r"""
local field, first, count = ARGV[2], ARGV[3], tonumber(ARGV[5])
local old = redis.call('HGET', P .. 'conflicts', field)
if old then
  local known, _, times = string.match(old, '^(%S+) (%S+) (%S+)\n')
  first, count = known, count + tonumber(times)
end
redis.call('HSET', P .. 'conflicts', field,
  first .. ' ' .. ARGV[4] .. ' ' .. string.format('%d', count) .. '\n' .. ARGV[6])
redis.call('ZADD', P .. 'conflicts:last', ARGV[4], field)
local excess = redis.call('ZCARD', P .. 'conflicts:last') - tonumber(ARGV[7])
if excess > 0 then
  for _, each in ipairs(redis.call('ZPOPMIN', P .. 'conflicts:last', excess)) do
    redis.call('HDEL', P .. 'conflicts', each)
  end
end
"""
)

# How many rows at most, the name of those beyond, then per row: endpoint, AOR, first,
# last, count, failed, rest.
ADD_USAGE: Final = (
    _PRELUDE
    + r"""
local known = tonumber(redis.call('HGET', meta, 'usage_rows'))
local is_full = known + (#ARGV - 3) / 7 > tonumber(ARGV[2])
for i = 4, #ARGV, 7 do
  local book, aor = P .. 'usage:' .. ARGV[i], ARGV[i + 1]
  local first, last = ARGV[i + 2], ARGV[i + 3]
  local count, failed = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  if is_full and redis.call('HEXISTS', book, aor) == 0 then aor = ARGV[3] end
  local old = redis.call('HGET', book, aor)
  if old then
    local f, l, c, x = string.match(old, '^(%S+) (%S+) (%S+) (%S+)\n')
    if tonumber(f) < tonumber(first) then first = f end
    if tonumber(l) > tonumber(last) then last = l end
    count, failed = count + tonumber(c), failed + tonumber(x)
  else
    redis.call('SADD', P .. 'usage', ARGV[i])
    redis.call('HINCRBY', meta, 'usage_rows', 1)
  end
  redis.call('HSET', book, aor, first .. ' ' .. last .. ' '
    .. string.format('%d %d', count, failed) .. '\n' .. ARGV[i + 6])
end
"""
)

# Name, body ('' forgets).
SET_NOTE: Final = (
    _PRELUDE
    + r"""
redis.call('HDEL', P .. 'notes', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', P .. 'notes', ARGV[2], ARGV[3]) end
"""
)

# Commands, each after the number of its words.
RESTORE: Final = (
    _PRELUDE
    + r"""
local at = 2
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
"""
)
