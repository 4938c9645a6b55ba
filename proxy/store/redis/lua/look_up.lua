-- Looks addresses up that memory does not have.  ARGV: AORs.  Returns for each one the
-- value of its learned URI, and its bindings.
local found = {}
for i = 2, #ARGV do
  local aor, values = ARGV[i], {}
  for _, field in ipairs(contacts_of(aor)) do
    values[#values + 1] = redis.call('HGET', P .. 'bindings', field)
  end
  found[#found + 1] = redis.call('HGET', P .. 'learned', aor)
  found[#found + 1] = values
end
return found
