-- Puts what a restore has staged in the place of all that there is, at once.  The stream
-- of changes begins anew, so every node that is connected loads everything.
-- ARGV: the number of the newest change and the version of the table that the caller has
-- seen, the identity from now on, the schema, names that are staged, '', names that go.
-- Returns 1, or 0 when something was changed meanwhile: then nothing is done.
local seen = redis.call('HMGET', meta, 'audit_number', 'table_version', 'rows_version')
if seen[1] ~= ARGV[2] or seen[2] ~= ARGV[3] then return 0 end
local at = 6
local first = at
while ARGV[at] ~= '' do at = at + 1 end
for i = at + 1, #ARGV do redis.call('DEL', P .. ARGV[i]) end
for i = first, at - 1 do
  redis.call('RENAME', P .. 'restore:' .. ARGV[i], P .. ARGV[i])
end
redis.call('HSET', meta, 'identity', ARGV[4], 'schema', ARGV[5],
  'rows_version', tonumber(seen[3]) + 1)
if not redis.call('HGET', meta, 'audit_number') then
  redis.call('HSET', meta, 'audit_number', 0)
end
redis.call('DEL', P .. 'changes')
redis.call('XADD', P .. 'changes', '*', 's', '')
return 1
