-- Notes that an old service has registered for an endpoint.  The oldest go when there
-- are too many.  ARGV: field, first and last time, count, the rest of the row, how many
-- rows to keep.
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
