-- Notes that a node is alive.  ARGV: its URI, the instant.  Returns its number: a node
-- that is new gets the next one.
local old = redis.call('HGET', P .. 'nodes', ARGV[2])
local number
if old then
  number = string.match(old, '^(%d+) ')
else
  number = redis.call('HLEN', P .. 'nodes') + 1
end
redis.call('HSET', P .. 'nodes', ARGV[2], number .. ' ' .. ARGV[3])
return tonumber(number)
