-- Removes bindings that have expired, 1000 at most.  ARGV: the instant.  Returns how
-- many went.
local gone = redis.call('ZRANGEBYSCORE', P .. 'bindings:expiry', '-inf',
  '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, field in ipairs(gone) do unbind(field) end
return #gone
