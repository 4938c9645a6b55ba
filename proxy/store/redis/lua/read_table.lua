-- Reads the whole endpoint table at one moment.  It is a script and no MULTI, because a
-- Redis without memory still runs scripts that only read.
-- ARGV: 1 with learned URIs, 0 without.  Returns the versions of table and rows, then
-- endpoints, pools, the newest cutover, learned URIs, their last uses, drains.
local newest = -1
for _, number in ipairs(redis.call('HKEYS', P .. 'cutovers')) do
  newest = math.max(newest, tonumber(number))
end
local learned, used = {}, {}
if ARGV[2] == '1' then
  learned = redis.call('HGETALL', P .. 'learned')
  used = redis.call('ZRANGE', P .. 'learned:used', 0, -1, 'WITHSCORES')
end
return {
  redis.call('HGET', meta, 'table_version'),
  redis.call('HGET', meta, 'rows_version'),
  redis.call('HVALS', P .. 'endpoints'),
  redis.call('HVALS', P .. 'pools'),
  redis.call('HGET', P .. 'cutovers', string.format('%d', newest)),
  learned,
  used,
  redis.call('HVALS', P .. 'drains'),
}
