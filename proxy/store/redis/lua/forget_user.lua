-- Removes a person from the ledger, as caller and as address that was dialled.
-- ARGV: the AOR; the audit row before its key and after it; that key when one row went,
-- and how it ends when several did.  Returns how many rows went.
local gone, tail = 0, '\n' .. ARGV[2]
for _, endpoint in ipairs(redis.call('SMEMBERS', P .. 'usage')) do
  local count = redis.call('HDEL', P .. 'usage:' .. endpoint, ARGV[2])
  if count > 0 then redis.call('HINCRBY', meta, 'usage_rows', -count) end
  gone = gone + count
end
for _, field in ipairs(redis.call('HKEYS', P .. 'usage_days')) do
  if string.sub(field, -#tail) == tail then
    gone = gone + redis.call('HDEL', P .. 'usage_days', field)
  end
end
local address = ARGV[2] .. '\n'
for _, field in ipairs(redis.call('HKEYS', P .. 'unknown')) do
  if string.sub(field, -#tail) == tail or string.sub(field, 1, #address) == address then
    gone = gone + redis.call('HDEL', P .. 'unknown', field)
    redis.call('ZREM', P .. 'unknown:worth', field)
  end
end
if gone > 0 then
  local key = gone == 1 and ARGV[5] or gone .. ARGV[6]
  audit(key, ARGV[3] .. key .. ARGV[4])
end
return gone
