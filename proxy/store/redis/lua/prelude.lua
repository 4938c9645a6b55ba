-- Every transaction begins with this.  First it makes sure that this is still the store
-- that was opened: a Redis that came back empty must not be taken for one in which
-- somebody removed everything.
local P = KEYS[1]
local meta = P .. 'meta'
if redis.call('HGET', meta, 'identity') ~= ARGV[1] then
  return redis.error_reply('WAYPOSTLOST the store')
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
-- Tells the other nodes of a change, in the stream and the same transaction.  The number
-- of an entry is never given again, so a node sees whether the last one that it knows is
-- part of this past.  A node that missed more than 20,000 changes loads everything again.
local function tell(...)
  redis.call('XADD', P .. 'changes', 'MAXLEN', '~', '20000', '*', ...)
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
-- The contacts of an AOR.  A user part may hold a line end itself (%0a), so that which
-- ends the AOR is the last one of a field.
local function contacts_of(aor)
  local found = {}
  for _, field in ipairs(redis.call('ZRANGEBYLEX', P .. 'bindings:names',
      '[' .. aor .. '\n', '(' .. aor .. '\011')) do
    if not string.find(field, '\n', #aor + 2, true) then found[#found + 1] = field end
  end
  return found
end
