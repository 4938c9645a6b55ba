-- Writes a value that nobody reads, to see whether Redis takes writes.  ARGV: the value.
redis.call('SET', P .. 'probe', ARGV[2])
return 1
