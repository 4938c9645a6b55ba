-- Keeps a note.  ARGV: its name, its body ('' removes it).
redis.call('HDEL', P .. 'notes', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', P .. 'notes', ARGV[2], ARGV[3]) end
