-- Fields of meta, then names: what is small or belongs together, at one moment.  Answers
-- the values of those fields and the number of the newest audit row, then a whole hash
-- for each name; the last is when each learned URI was used.
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
