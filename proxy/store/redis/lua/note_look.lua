-- Call-ID, audit row: somebody has looked at a call.  Answers 1.
audit(ARGV[2], ARGV[3])
return 1
