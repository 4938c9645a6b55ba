-- A value that nobody reads.
redis.call('SET', P .. 'probe', ARGV[2])
return 1
