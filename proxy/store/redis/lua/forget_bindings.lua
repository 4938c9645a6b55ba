-- Instant; at most 1000 at a time.
local gone = redis.call('ZRANGEBYSCORE', P .. 'bindings:expiry', '-inf',
  '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, field in ipairs(gone) do unbind(field) end
return #gone
