-- Adds calls to the usage ledger: by user, by pool and day, and the days of each user.
-- ARGV: how many rows of users there may be, the name under which those beyond are
-- counted, how many words follow for users and how many for pools; then for each user:
-- endpoint, AOR, first and last call, count, failed, the rest of the row; for each pool:
-- field, calls, failed, journeys, times; for each user again: field, days.
local known = tonumber(redis.call('HGET', meta, 'usage_rows'))
local most, rows, pools = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
local is_full = known + rows / 7 > most
for i = 6, 5 + rows, 7 do
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
for i = 6 + rows, 5 + rows + pools, 5 do
  local sums = {ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]}
  local times = {}
  for each in string.gmatch(ARGV[i + 4], '%d+') do times[#times + 1] = tonumber(each) end
  local old = redis.call('HGET', P .. 'usage_pools', ARGV[i])
  if old then
    local place = 0
    for each in string.gmatch(old, '%d+') do
      place = place + 1
      if place <= 3 then sums[place] = sums[place] + each
      else times[place - 3] = (times[place - 3] or 0) + each end
    end
  end
  for at, each in ipairs(times) do times[at] = string.format('%d', each) end
  redis.call('HSET', P .. 'usage_pools', ARGV[i], string.format('%d %d %d ', unpack(sums))
    .. table.concat(times, ','))
end
for i = 6 + rows + pools, #ARGV, 2 do
  local days = redis.call('HGET', P .. 'usage_days', ARGV[i])
  if days or redis.call('HLEN', P .. 'usage_days') < most then
    days = days or ' '
    for day in string.gmatch(ARGV[i + 1], '%d+') do
      if not string.find(days, ' ' .. day .. ' ', 1, true) then days = days .. day .. ' ' end
    end
    redis.call('HSET', P .. 'usage_days', ARGV[i], days)
  end
end
