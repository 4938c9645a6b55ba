-- Takes, renews or gives back a lease.  ARGV: its name, who wants it, for how many
-- milliseconds (0 gives it back).  Returns who holds it now, '' for nobody.
local key = P .. 'lease:' .. ARGV[2]
local known = redis.call('GET', key)
if known and known ~= ARGV[3] then return known end
if ARGV[4] == '0' then
  redis.call('DEL', key)
  return ''
end
redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
return ARGV[3]
