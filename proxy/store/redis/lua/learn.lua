-- Notes that a pool has handed out a service URI.  The value of a key has four lines for
-- each pool (pool, endpoint, instant, URI), the newest pool first.
-- ARGV: key, pool, endpoint, instant, the four lines, how many pools to keep.
-- Returns 1 when this is new, else 0.
local key, pool, endpoint, now = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local old = redis.call('HGET', P .. 'learned', key)
local rows, count = ARGV[6], 1
for row, p, e in string.gmatch((old or '') .. '\n',
    '(([^\n]*)\n([^\n]*)\n[^\n]*\n[^\n]*)\n') do
  if e == endpoint and p == pool then
    redis.call('ZADD', P .. 'learned:used', 'XX', 'GT', now, key)
    return 0
  end
  if e == endpoint and count < tonumber(ARGV[7]) then
    rows, count = rows .. '\n' .. row, count + 1
  end
end
if redis.call('HEXISTS', P .. 'endpoints', endpoint) == 0 then return 0 end
forget(key)
redis.call('HSET', P .. 'learned', key, rows)
redis.call('ZADD', P .. 'learned:used', now, key)
redis.call('SADD', P .. 'learned:of:' .. endpoint, key)
tell('t', redis.call('HINCRBY', meta, 'table_version', 1))
return 1
