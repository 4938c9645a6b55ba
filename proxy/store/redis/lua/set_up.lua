-- Makes the store where there is none.  ARGV: schema, identity, secret.  Returns the
-- three that are in force: those of a store that was there already stay.
local meta = KEYS[1] .. 'meta'
if redis.call('EXISTS', meta) == 0 then
  redis.call('HSET', meta, 'schema', ARGV[1], 'identity', ARGV[2], 'hmac_key', ARGV[3],
    'table_version', 0, 'rows_version', 0, 'registrar_version', 0,
    'audit_number', 0, 'usage_rows', 0)
end
if tonumber(redis.call('HGET', meta, 'schema')) < 2 then
  redis.call('HSET', meta, 'schema', 2)
end
if redis.call('EXISTS', KEYS[1] .. 'changes') == 0 then
  redis.call('XADD', KEYS[1] .. 'changes', '*', 's', '')
end
return redis.call('HMGET', meta, 'schema', 'identity', 'hmac_key')
