-- Saves bindings.  ARGV: who saves; then for each contact its field, expiry ('' removes
-- it) and value.
local fields = {}
for i = 3, #ARGV, 3 do
  local field, expiry = ARGV[i], ARGV[i + 1]
  fields[#fields + 1] = field
  if expiry == '' then
    unbind(field)
  else
    redis.call('HSET', P .. 'bindings', field, ARGV[i + 2])
    redis.call('ZADD', P .. 'bindings:expiry', expiry, field)
    redis.call('ZADD', P .. 'bindings:names', 0, field)
  end
end
tell_bindings(ARGV[2], fields)
