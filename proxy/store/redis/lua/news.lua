-- The newest entry that is known, who asks, how many bindings at least to stop at.
-- Answers the newest entry read, and what changed after the known one: nil when that
-- is not there any more (too old, or lost in a failover).  Bindings that the asker
-- saved itself are left out; the others come as they are now.
local stream, known = P .. 'changes', ARGV[2]
local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)
if #newest == 0 then return redis.error_reply('WAYPOSTLOST the changes') end
if newest[1][1] == known then return {known, 0, 0, {}, {}} end
if known == '' or #redis.call('XRANGE', stream, known, known) == 0 then
  return {newest[1][1]}
end
local is_table, is_users, fields, seen = 0, 0, {}, {}
local entries = redis.call('XRANGE', stream, '(' .. known, '+', 'COUNT', 1000)
for _, entry in ipairs(entries) do
  local words, origin = entry[2], nil
  for i = 1, #words, 2 do
    local kind, value = words[i], words[i + 1]
    if kind == 't' then is_table = 1
    elseif kind == 'u' then is_users = 1
    elseif kind == 'o' then origin = value
    elseif kind == 'b' and origin ~= ARGV[3] and not seen[value] then
      seen[value] = true
      fields[#fields + 1] = value
    end
  end
  known = entry[1]
  if #fields >= tonumber(ARGV[4]) then break end
end
local values = {}
for i, field in ipairs(fields) do
  values[i] = redis.call('HGET', P .. 'bindings', field)
end
return {known, is_table, is_users, fields, values}
