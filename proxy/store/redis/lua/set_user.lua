-- Makes, changes or removes a user of the registrar.  ARGV: name, body ('' removes the
-- user), audit row.  Returns 1, or 0 when there is no such user to remove.
if ARGV[3] ~= '' then
  redis.call('HSET', P .. 'users', ARGV[2], ARGV[3])
elseif redis.call('HDEL', P .. 'users', ARGV[2]) == 0 then
  return 0
end
audit(ARGV[2], ARGV[4])
tell('u', redis.call('HINCRBY', meta, 'registrar_version', 1))
return 1
