-- Runs write commands of a restore or a copy.  ARGV: each command after the number of
-- its words.
local at = 2
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
