-- Reads what others have changed since the asker's last look.
-- ARGV: the newest entry that the asker knows, who asks, at how many bindings to stop.
-- Returns the newest entry that was read, whether the table and the users changed, and
-- fields and values of bindings as they are now, without those that the asker has saved
-- itself.  Returns the newest entry alone when the known one is gone (too old, or lost
-- in a failover): the asker then has to load everything.
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
