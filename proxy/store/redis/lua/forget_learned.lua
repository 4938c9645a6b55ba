-- Instant; at most 1000 at a time, so that nobody waits for long.
local gone = redis.call('ZRANGEBYSCORE', P .. 'learned:used', '-inf',
  '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, key in ipairs(gone) do forget(key) end
if #gone > 0 then tell('t', redis.call('HINCRBY', meta, 'table_version', 1)) end
return #gone
