-- Removes the counts of old days.  ARGV: the first day to keep.  Returns how many rows
-- went or became shorter.
local first, gone = tonumber(ARGV[2]), 0
for _, field in ipairs(redis.call('HKEYS', P .. 'usage_pools')) do
  if tonumber(string.match(field, '\n(%d+)\n%d+$')) < first then
    gone = gone + redis.call('HDEL', P .. 'usage_pools', field)
  end
end
local all = redis.call('HGETALL', P .. 'usage_days')
for i = 1, #all, 2 do
  local left = ' '
  for day in string.gmatch(all[i + 1], '%d+') do
    if tonumber(day) >= first then left = left .. day .. ' ' end
  end
  if left ~= all[i + 1] then
    gone = gone + 1
    redis.call('HDEL', P .. 'usage_days', all[i])
    if left ~= ' ' then redis.call('HSET', P .. 'usage_days', all[i], left) end
  end
end
local book = redis.call('HGETALL', P .. 'unknown')
for i = 1, #book, 2 do
  if tonumber(string.match(book[i + 1], '^%S+ (%S+)')) < first * 86400 then
    gone = gone + redis.call('HDEL', P .. 'unknown', book[i])
    redis.call('ZREM', P .. 'unknown:worth', book[i])
  end
end
return gone
