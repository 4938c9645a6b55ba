-- Makes, changes or removes a token or a person.  ARGV: kind, name, body ('' removes
-- it), 1 when there must be none yet and 0 when there must be one, audit row.
-- Returns 1, or 0 when that did not hold: then nothing is changed.
local field = ARGV[2] .. '\n' .. ARGV[3]
local there = redis.call('HEXISTS', P .. 'access', field)
if there == tonumber(ARGV[5]) then return 0 end
if ARGV[4] ~= '' then
  redis.call('HSET', P .. 'access', field, ARGV[4])
else
  redis.call('HDEL', P .. 'access', field)
end
if there == 0 or ARGV[4] == '' then redis.call('HDEL', P .. 'access_used', field) end
audit(ARGV[3], ARGV[6])
return 1
