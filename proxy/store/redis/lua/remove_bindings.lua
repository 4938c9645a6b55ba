-- Removes all bindings of an address.  ARGV: AOR, instant, audit row.  Returns those
-- that had not expired.
local fields = contacts_of(ARGV[2])
local live = {}
for _, field in ipairs(fields) do
  local expiry = redis.call('ZSCORE', P .. 'bindings:expiry', field)
  if tonumber(expiry) > tonumber(ARGV[3]) then
    live[#live + 1] = redis.call('HGET', P .. 'bindings', field)
  end
  unbind(field)
end
if #live > 0 then
  audit(ARGV[2], ARGV[4])
  redis.call('HINCRBY', meta, 'registrar_version', 1)
  tell_bindings('', fields)
end
return live
