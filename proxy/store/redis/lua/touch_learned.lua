-- Notes when learned URIs were used last.  ARGV: instant and key, in pairs.
for i = 2, #ARGV, 2 do
  redis.call('ZADD', P .. 'learned:used', 'XX', 'GT', ARGV[i], ARGV[i + 1])
end
