-- Notes when and from where a token or a person was used last, unless it has been
-- revoked meanwhile.  ARGV: kind, name, the note.
local field = ARGV[2] .. '\n' .. ARGV[3]
if redis.call('HEXISTS', P .. 'access', field) == 1 then
  redis.call('HSET', P .. 'access_used', field, ARGV[4])
end
