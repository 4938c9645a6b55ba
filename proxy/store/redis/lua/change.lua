-- Changes rows of the endpoint table, and writes the history and the news of it.
-- ARGV: the version that the rows must still have; then for each row its table, key,
-- body ('' removes it) and audit row.  Returns the table's new version, or -1 when
-- somebody else has changed the rows meanwhile: then nothing is changed.
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
