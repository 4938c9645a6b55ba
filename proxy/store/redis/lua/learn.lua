-- Key, pool, endpoint, instant, value.
local key, pool, endpoint, now = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local old = redis.call('HGET', P .. 'learned', key)
local claim = pool .. '\n' .. endpoint .. '\n'
if old and string.sub(old, 1, #claim) == claim then
  redis.call('ZADD', P .. 'learned:used', 'XX', 'GT', now, key)
  return 0
end
if redis.call('HEXISTS', P .. 'endpoints', endpoint) == 0 then return 0 end
forget(key)
redis.call('HSET', P .. 'learned', key, ARGV[6])
redis.call('ZADD', P .. 'learned:used', now, key)
redis.call('SADD', P .. 'learned:of:' .. endpoint, key)
tell('t', redis.call('HINCRBY', meta, 'table_version', 1))
return 1
