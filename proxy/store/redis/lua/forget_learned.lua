-- Removes learned URIs that nobody has used for long, 1000 at most, so that no other
-- caller waits for long.  ARGV: the instant.  Returns how many went.
local gone = redis.call('ZRANGEBYSCORE', P .. 'learned:used', '-inf',
  '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, key in ipairs(gone) do forget(key) end
if #gone > 0 then tell('t', redis.call('HINCRBY', meta, 'table_version', 1)) end
return #gone
