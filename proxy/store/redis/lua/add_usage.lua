-- How many rows at most, the name of those beyond, then per row: endpoint, AOR, first,
-- last, count, failed, rest.
local known = tonumber(redis.call('HGET', meta, 'usage_rows'))
local is_full = known + (#ARGV - 3) / 7 > tonumber(ARGV[2])
for i = 4, #ARGV, 7 do
  local book, aor = P .. 'usage:' .. ARGV[i], ARGV[i + 1]
  local first, last = ARGV[i + 2], ARGV[i + 3]
  local count, failed = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  if is_full and redis.call('HEXISTS', book, aor) == 0 then aor = ARGV[3] end
  local old = redis.call('HGET', book, aor)
  if old then
    local f, l, c, x = string.match(old, '^(%S+) (%S+) (%S+) (%S+)\n')
    if tonumber(f) < tonumber(first) then first = f end
    if tonumber(l) > tonumber(last) then last = l end
    count, failed = count + tonumber(c), failed + tonumber(x)
  else
    redis.call('SADD', P .. 'usage', ARGV[i])
    redis.call('HINCRBY', meta, 'usage_rows', 1)
  end
  redis.call('HSET', book, aor, first .. ' ' .. last .. ' '
    .. string.format('%d %d', count, failed) .. '\n' .. ARGV[i + 6])
end
