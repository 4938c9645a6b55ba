-- Name, body ('' removes), audit row.
if ARGV[3] ~= '' then
  redis.call('HSET', P .. 'users', ARGV[2], ARGV[3])
elseif redis.call('HDEL', P .. 'users', ARGV[2]) == 0 then
  return 0
end
audit(ARGV[2], ARGV[4])
tell('u', redis.call('HINCRBY', meta, 'registrar_version', 1))
return 1
