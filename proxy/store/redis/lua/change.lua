-- Expected rows_version, then per row: table, key, body ('' removes), audit row.
if redis.call('HGET', meta, 'rows_version') ~= ARGV[2] then return -1 end
redis.call('HINCRBY', meta, 'rows_version', 1)
local version = redis.call('HINCRBY', meta, 'table_version', 1)
for i = 3, #ARGV, 4 do
  local name, key, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if body ~= '' then
    redis.call('HSET', P .. name, key, body)
  else
    redis.call('HDEL', P .. name, key)
    if name == 'endpoints' then
      local learned = redis.call('SMEMBERS', P .. 'learned:of:' .. key)
      for _, each in ipairs(learned) do forget(each) end
    end
  end
  audit(key, ARGV[i + 3])
end
tell('t', version)
return version
