-- Adds callers of addresses that nobody serves.  When there are more rows than may be,
-- those that are worth least lose their names: their calls are counted under "nobody".
-- ARGV: how many rows there may be, the field of "nobody", for how many hours the
-- requests of one row may count; then for each row its field, first and last call,
-- count, and the rest of it.
local most, nobody = tonumber(ARGV[2]), ARGV[3]
local book, worth = P .. 'unknown', P .. 'unknown:worth'
local function put(field, first, last, count, rest)
  local old = redis.call('HGET', book, field)
  if old then
    local f, l, c = string.match(old, '^(%S+) (%S+) (%S+)\n')
    if tonumber(f) < tonumber(first) then first = f end
    if tonumber(l) > tonumber(last) then last = l end
    count = count + tonumber(c)
  end
  redis.call('HSET', book, field, first .. ' ' .. last .. ' '
    .. string.format('%d', count) .. '\n' .. rest)
  if field ~= nobody then
    local score = tonumber(last) + 3600 * math.min(count, tonumber(ARGV[4]))
    redis.call('ZADD', worth, string.format('%.3f', score), field)
  end
end
for i = 5, #ARGV, 5 do
  put(ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4])
end
local over = redis.call('ZCARD', worth) - most
if over > 0 then
  for _, field in ipairs(redis.call('ZRANGE', worth, 0, over - 1)) do
    local f, l, c = string.match(redis.call('HGET', book, field), '^(%S+) (%S+) (%S+)\n')
    redis.call('HDEL', book, field)
    put(nobody, f, l, tonumber(c), '["", "", ""]')
  end
  redis.call('ZREMRANGEBYRANK', worth, 0, over - 1)
end
