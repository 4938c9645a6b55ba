-- Notes in the history that somebody has looked at a call.  ARGV: Call-ID, audit row.
-- Returns 1.
audit(ARGV[2], ARGV[3])
return 1
