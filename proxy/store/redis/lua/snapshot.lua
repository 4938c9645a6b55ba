-- Reads at one moment the hashes that belong together.  ARGV: fields of meta, '', names
-- of hashes.  Returns the values of those fields and the number of the newest audit row,
-- then each hash, and last when each learned URI was used.
local fields, at = {}, 2
while ARGV[at] ~= '' do
  fields[#fields + 1] = ARGV[at]
  at = at + 1
end
fields[#fields + 1] = 'audit_number'
local found = {redis.call('HMGET', meta, unpack(fields))}
for i = at + 1, #ARGV do
  found[#found + 1] = redis.call('HGETALL', P .. ARGV[i])
end
found[#found + 1] = redis.call('ZRANGE', P .. 'learned:used', 0, -1, 'WITHSCORES')
return found
