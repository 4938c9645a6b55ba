-- Adds to what the guard of a cutover has counted.  Only the newest cutover has counts.
-- ARGV: the cutover's number; then in pairs what was counted, and how often.
-- Returns 1, or 0 when a newer cutover has counts already.
local last = redis.call('GET', P .. 'guard:last')
if last and last ~= ARGV[2] then
  if tonumber(last) > tonumber(ARGV[2]) then return 0 end
  redis.call('DEL', P .. 'guard:' .. last)
end
redis.call('SET', P .. 'guard:last', ARGV[2])
for i = 3, #ARGV, 2 do
  redis.call('HINCRBY', P .. 'guard:' .. ARGV[2], ARGV[i], ARGV[i + 1])
end
return 1
