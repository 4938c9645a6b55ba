-- Kind, name, what is to be kept of the use.  Nothing of one that has been revoked.
local field = ARGV[2] .. '\n' .. ARGV[3]
if redis.call('HEXISTS', P .. 'access', field) == 1 then
  redis.call('HSET', P .. 'access_used', field, ARGV[4])
end
