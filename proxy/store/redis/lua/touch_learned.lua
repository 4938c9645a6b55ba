-- Instant and key, repeated.
for i = 2, #ARGV, 2 do
  redis.call('ZADD', P .. 'learned:used', 'XX', 'GT', ARGV[i], ARGV[i + 1])
end
